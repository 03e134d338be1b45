//! `/api/v1`: the questions of `forksight-query`, answered as JSON.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use forksight_query::answer::{EntryRow, FunctionRow, ProcessRow, ServiceRow, Show, StoreRow};
use forksight_query::{Error as QueryError, Scope, Target, time};
use forksight_store::Store;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Web;
use super::openapi;
use super::problem::{Problem, not_found, read_only};
use crate::report::{AgentReport, report};
use crate::state::now_ms;

/// How long a question waits for others to be answered.
const WAIT: Duration = Duration::from_secs(10);

pub(super) type Answer<T> = Result<Json<T>, Problem>;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/status", get(status))
        .route("/services", get(services))
        .route("/functions", get(functions))
        .route("/entries", get(entries))
        .route("/show", get(show))
        .route("/openapi.json", get(async || Json(openapi::document())))
        .fallback(not_found)
        .method_not_allowed_fallback(read_only)
}

/// Which part of what was observed a question is about.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only this service.
    pub(super) service: Option<String>,
    /// This version; the newest of each service if left out.
    pub(super) version: Option<String>,
    /// From this time on: `15m`, `2h`, `1d` back from now, or RFC 3339.
    pub(super) since: Option<String>,
    /// Before this time, written likewise.
    pub(super) until: Option<String>,
    /// For `functions`: a part of the name or of the file, or a pattern with `*` and `?`.
    pub(super) filter: Option<String>,
    /// For `show`: `qualified.name` or `file:line`.
    pub(super) function: Option<String>,
}

impl Asked {
    pub(super) fn scope(&self) -> Result<Scope, QueryError> {
        let now = now_ms();
        let at = |text: &Option<String>, otherwise| match text {
            Some(text) => time::parse(text, now),
            None => Ok(otherwise),
        };
        Ok(Scope {
            service: self.service.clone(),
            version: self.version.clone(),
            from_ms: at(&self.since, 0)?,
            to_ms: at(&self.until, u64::MAX)?,
        })
    }
}

/// What was asked, or what is wrong with the question.
pub(super) type Question = Result<Query<Asked>, QueryRejection>;

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let next = "/api/v1/openapi.json lists the parameters";
        Self::new(StatusCode::BAD_REQUEST, rejection.body_text(), next)
    }
}

impl Web {
    /// Asks the store a question, which may take a while.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = timeout(WAIT, self.questions.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Problem::busy()) };
        let store = self.state.store.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question(&*store);
            drop(turn);
            answer
        });
        match asked.await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(error) => {
                tracing::error!(%error, "a question has panicked");
                let next = "report it with the agent's log; other questions still work";
                let detail = "the agent failed at this question";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail, next))
            }
        }
    }
}

/// The agent, the observed processes and the store: the answer of `status`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct StatusAnswer {
    /// The agent.
    pub(super) agent: AgentReport,
    /// Processes, connected ones first.
    pub(super) processes: Vec<ProcessRow>,
    /// What is kept.
    pub(super) store: Option<StoreRow>,
}

/// How everything is.
pub(super) async fn read_status(
    web: &Web,
    service: Option<String>,
) -> Result<StatusAnswer, Problem> {
    let state = web.state.clone();
    let agent = report(&state);
    web.ask(move |store| {
        // Where the store takes nothing, what was known before is better than nothing.
        let _ = state.processes.keep(store);
        let status = forksight_query::status(store, None, service.as_deref())?;
        Ok(StatusAnswer { agent, processes: status.processes, store: status.store })
    })
    .await
}

async fn status(State(web): State<Web>, asked: Question) -> Answer<StatusAnswer> {
    let asked = asked?.0;
    Ok(Json(read_status(&web, asked.service).await?))
}

async fn services(State(web): State<Web>, asked: Question) -> Answer<Vec<ServiceRow>> {
    let asked = asked?.0;
    let answer = web.ask(move |store| forksight_query::services(store, &asked.scope()?));
    Ok(Json(answer.await?))
}

async fn functions(State(web): State<Web>, asked: Question) -> Answer<Vec<FunctionRow>> {
    let asked = asked?.0;
    let answer = web.ask(move |store| {
        forksight_query::functions(store, &asked.scope()?, asked.filter.as_deref())
    });
    Ok(Json(answer.await?))
}

async fn entries(State(web): State<Web>, asked: Question) -> Answer<Vec<EntryRow>> {
    let asked = asked?.0;
    let answer = web.ask(move |store| forksight_query::entries(store, &asked.scope()?));
    Ok(Json(answer.await?))
}

async fn show(State(web): State<Web>, asked: Question) -> Answer<Show> {
    let asked = asked?.0;
    let answer = web.ask(move |store| {
        let function = asked.function.as_deref().unwrap_or_default();
        let target: Target = function.parse()?;
        forksight_query::show(store, &asked.scope()?, &target)
    });
    Ok(Json(answer.await?))
}
