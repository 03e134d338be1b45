//! Who may ask, and how answers may be used.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Web;
use super::problem::Problem;

/// Lets requests through that a program of this machine made by itself, or a page of the agent's
/// own; not those that a foreign page makes through somebody's browser.
pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = match refuse(request.method(), request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => {
            web.state.touch();
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Nothing but the agent's own style sheet is loaded, and no page may embed or read what is here.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Why a request is not answered.
fn refuse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
    // A browser that was led here by a foreign name (DNS rebinding) says that name.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| is_loopback_name(host)) else {
        return Some(Problem::new(
            StatusCode::FORBIDDEN,
            "the Host header does not name this machine",
            "use http://127.0.0.1 or http://localhost with the agent's port",
        ));
    };
    if uri.authority().is_some_and(|authority| authority.as_str() != host) {
        return Some(Problem::new(
            StatusCode::BAD_REQUEST,
            "the request names two hosts",
            "ask for a path, not for a full address",
        ));
    }
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let own = format!("http://{host}");
    let fetched_by_foreign_page = headers.get("sec-fetch-site").is_some_and(|site| {
        let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        (site == "cross-site" || site == "same-site") && !navigates
    });
    if origin.is_some_and(|origin| origin != own.as_bytes()) || fetched_by_foreign_page {
        return Some(Problem::new(
            StatusCode::FORBIDDEN,
            "another page asked for this",
            "ask from the agent's own pages, or without an Origin header",
        ));
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(Problem::read_only());
    }
    None
}

/// Whether `host`, with or without a port, can only mean this machine.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || is_port(port) => name,
            _ => return false,
        },
        None => match host.find(':') {
            Some(colon) if is_port(&host[colon..]) => &host[..colon],
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in
            ["localhost", "LOCALHOST:7717", "127.0.0.1:7717", "127.1.2.3", "[::1]:80", "[::1]"]
        {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "10.0.0.1:7717",
            "localhost:port",
            "localhost:99999",
            "[::1",
            "[::2]:80",
            "0.0.0.0",
        ] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
