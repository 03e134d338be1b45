//! Plain pages for people, until the web application exists: no script, nothing from elsewhere.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::Web;
use super::api::{self, StatusAnswer};
use super::problem::Problem;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(overview))
        .route("/healthz", get(async || "ok\n"))
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

async fn overview(State(web): State<Web>) -> Response {
    match api::read_status(&web, None).await {
        Ok(status) => layout("Forksight", overview_body(&status)).into_response(),
        Err(problem) => sorry(&problem),
    }
}

fn overview_body(status: &StatusAnswer) -> Markup {
    html! { h1 { "Forksight" } p { (status.agent.agent.version) } }
}

fn sorry(problem: &Problem) -> Response {
    let body = html! {
        h1 { "No answer" }
        p { (problem.detail()) }
        p { (problem.next()) }
    };
    (problem.status(), layout("No answer", body)).into_response()
}

fn layout(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/style.css";
            }
            body { (body) }
        }
    }
}
