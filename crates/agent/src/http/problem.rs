//! What is said where there is no answer (RFC 9457).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use forksight_query::Error as QueryError;
use forksight_store::Error as StoreError;
use schemars::JsonSchema;
use serde::Serialize;

/// Why there is no answer, and what to do about it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// The HTTP status.
    status: u16,
    /// The kind of problem.
    title: String,
    /// What is wrong.
    detail: String,
    /// What to do next.
    next: String,
    /// What could have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        detail: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Problem").into(),
            detail: detail.into(),
            next: next.into(),
            candidates: Vec::new(),
        }
    }

    pub(super) fn read_only() -> Self {
        let next = "use GET; the agent is changed by its command line only";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this API only answers questions", next)
    }

    pub(super) fn busy() -> Self {
        let next = "ask again in some seconds, or for less time with since=";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the agent is busy with other questions", next)
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn next(&self) -> &str {
        &self.next
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        let says_it_itself = "see the detail";
        match error {
            QueryError::NoData(_) => Self::new(StatusCode::NOT_FOUND, detail, says_it_itself),
            QueryError::NoFunction { near, .. } => Self {
                candidates: near,
                ..Self::new(
                    StatusCode::NOT_FOUND,
                    detail,
                    "look it up in /api/v1/functions?filter=",
                )
            },
            QueryError::Ambiguous { candidates, .. } => Self {
                candidates,
                ..Self::new(StatusCode::CONFLICT, detail, "ask for one of the candidates")
            },
            QueryError::Usage(_) => Self::new(
                StatusCode::BAD_REQUEST,
                detail,
                "/api/v1/openapi.json lists the parameters",
            ),
            QueryError::Store(StoreError::NoData { .. }) => {
                Self::new(StatusCode::NOT_FOUND, detail, "start a program with `forksight run`")
            }
            _ => {
                tracing::error!(detail, "a question failed");
                let next = "`forksight status` says how the store is";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail, next)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status(), kind, Json(self)).into_response()
    }
}

pub(super) async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is nothing here",
        "start at / or /api/v1/openapi.json",
    )
}

pub(super) async fn read_only() -> Problem {
    Problem::read_only()
}
