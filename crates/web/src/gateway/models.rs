//! `GET /v1/models`: what the account may call, as OpenAI's clients list it, or Anthropic's where its client asks.

use std::sync::Arc;

use app::gateway::list_models::{CallableModel, list_models};
use app::gateway::{ApiKind, CallError};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use domain::name::Name;
use serde_json::json;

use super::refusal::{self, Refused};
use super::{context, kind_of_client};
use crate::extract::caller::authenticate_header;
use crate::{WebState, answer};

pub async fn list(State(state): State<Arc<WebState>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let kind = kind_of_client(&parts.headers);
    match callable(&state, &parts.headers).await {
        Ok(models) => answer::ok(&listed(kind, &models)),
        Err(refused) => refusal::write(&state.app, kind, &refused, &parts).await,
    }
}

pub async fn one(State(state): State<Arc<WebState>>, Path(name): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let kind = kind_of_client(&parts.headers);
    let found = callable(&state, &parts.headers).await.and_then(|models| {
        let found = models.into_iter().find(|model| model.name.as_str() == name);
        found.ok_or_else(|| CallError::ModelNotFound(Name::new(&name)).into())
    });
    match found {
        Ok(model) => answer::ok(&shown(kind, &model)),
        Err(refused) => refusal::write(&state.app, kind, &refused, &parts).await,
    }
}

async fn callable(state: &WebState, headers: &axum::http::HeaderMap) -> Result<Vec<CallableModel>, Refused> {
    let caller = authenticate_header(state, headers).await.map_err(CallError::from)?;
    let told = context::read(headers)?;
    Ok(list_models(&state.app, &caller, &told.account).await.map_err(CallError::from)?)
}

fn listed(kind: ApiKind, models: &[CallableModel]) -> serde_json::Value {
    let data: Vec<_> = models.iter().map(|model| shown(kind, model)).collect();
    match kind {
        ApiKind::OpenAi => json!({ "object": "list", "data": data }),
        ApiKind::Anthropic => {
            let id = |model: Option<&CallableModel>| model.map(|model| model.name.as_str().to_owned());
            json!({ "data": data, "has_more": false, "first_id": id(models.first()), "last_id": id(models.last()) })
        }
    }
}

/// When a model was made and what it can do is not known here. Anthropic's clients want every field.
fn shown(kind: ApiKind, CallableModel { name, provider }: &CallableModel) -> serde_json::Value {
    match kind {
        ApiKind::OpenAi => json!({ "id": name, "object": "model", "created": 0, "owned_by": provider }),
        ApiKind::Anthropic => {
            json!({
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "1970-01-01T00:00:00Z",
                "lifecycle": "active",
                "deprecated_at": null,
                "retires_at": null,
                "capabilities": null,
                "line": null,
                "max_input_tokens": null,
                "max_tokens": null,
            })
        }
    }
}
