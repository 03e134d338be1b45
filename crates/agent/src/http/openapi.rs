//! `/api/v1/openapi.json`, made from the types that are served.

use forksight_query::answer::{EntryRow, FunctionRow, ServiceRow, Show};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api::{Asked, StatusAnswer};
use super::problem::Problem;

/// The OpenAPI 3.1 document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut types = settings.into_generator();
    let mut paths = Map::new();
    const SCOPE: [&str; 4] = ["service", "version", "since", "until"];
    let mut add = |path: &str, operation: Value| {
        paths.insert(format!("/api/v1{path}"), json!({ "get": operation }));
    };
    let with = |more: &[&'static str]| [&SCOPE[..], more].concat();
    let t = &mut types;
    add("/status", get::<StatusAnswer>(t, "status", "The agent and its processes", &["service"]));
    add("/services", get::<Vec<ServiceRow>>(t, "services", "What was observed", &SCOPE));
    add("/functions", get::<Vec<FunctionRow>>(t, "functions", "Functions", &with(&["filter"])));
    add("/entries", get::<Vec<EntryRow>>(t, "entries", "Requests, tasks, commands", &SCOPE));
    add("/show", get::<Show>(t, "show", "One function", &with(&["function"])));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Forksight",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Read-only questions about running code.",
        },
        "paths": paths,
        "components": { "schemas": types.take_definitions(true) },
    })
}

/// An operation that answers with a `T`.
fn get<T: JsonSchema>(
    types: &mut SchemaGenerator,
    id: &str,
    summary: &str,
    parameters: &[&str],
) -> Value {
    let asked = types.root_schema_for::<Asked>();
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| {
            let description = &asked.as_value()["properties"][name]["description"];
            json!({
                "name": name,
                "in": "query",
                "required": *name == "function",
                "description": description,
                "schema": { "type": "string" },
            })
        })
        .collect();
    let schema = types.subschema_for::<T>();
    let problem = types.subschema_for::<Problem>();
    json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The answer",
                "content": { "application/json": { "schema": schema } },
            },
            "default": {
                "description": "Why there is none, and what to do next",
                "content": { "application/problem+json": { "schema": problem } },
            },
        },
    })
}
