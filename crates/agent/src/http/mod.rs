//! Answering readers over HTTP.

mod api;
mod guard;
mod openapi;
mod page;
mod problem;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::state::{State, stopped};
use crate::{Error, Result};

/// How many questions are worked on at a time.
const QUESTIONS: usize = 4;
/// How long a request that is being answered may hold up the end of the agent.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    state: Arc<State>,
    questions: Arc<Semaphore>,
}

/// Listens on the first of `addresses` that is free.
///
/// # Errors
///
/// [`Error::AddressInUse`] where there is one and it is taken, [`Error::NoFreePort`] where all of
/// several are.
pub(crate) async fn bind(addresses: &[SocketAddr]) -> Result<TcpListener> {
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(source) if source.kind() == ErrorKind::AddrInUse => {}
            Err(source) => return Err(Error::io("listen on", address)(source)),
        }
    }
    Err(match addresses {
        [first, .., last] => Error::NoFreePort { first: first.port(), last: last.port() },
        [address] => Error::AddressInUse { address: *address },
        [] => Error::NoFreePort { first: 0, last: 0 },
    })
}

/// Answers until `stop` is set.
pub(crate) async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    mut stop: watch::Receiver<bool>,
) {
    let mut graceful = stop.clone();
    let serving = axum::serve(listener, router(state))
        .with_graceful_shutdown(async move { stopped(&mut graceful).await });
    let patience = async move {
        stopped(&mut stop).await;
        tokio::time::sleep(GOODBYE).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::error!(%error, "HTTP has ended");
        },
        () = patience => {}
    }
}

fn router(state: Arc<State>) -> Router {
    let web = Web { state, questions: Arc::new(Semaphore::new(QUESTIONS)) };
    Router::new()
        .merge(page::routes())
        .nest("/api/v1", api::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::read_only)
        .layer(middleware::from_fn_with_state(web.clone(), guard::guard))
        .with_state(web)
}
