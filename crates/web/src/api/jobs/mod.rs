//! `admin/jobs`: what the server does in the background, for operators: what waits, runs, or was given up.

pub mod list;
pub mod retry;

use app::jobs::Job;
use domain::ids::{AccountId, JobId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::{Time, Written};

/// A job. One that is done is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobShape {
    #[schema(value_type = String, example = "job_01k…")]
    id: Written<JobId>,
    /// Such as `send_mail` or `usage_threshold`.
    #[schema(example = "send_mail")]
    kind: String,
    /// `ready`, `running` or `failed`.
    #[schema(example = "failed")]
    state: &'static str,
    #[schema(value_type = Option<String>, example = "acct_01k…")]
    account: Option<Written<AccountId>>,
    /// What it is about; its shape goes by the kind.
    #[schema(value_type = Object)]
    payload: Value,
    /// How often it was begun.
    attempts: i64,
    /// When it is begun next, or was last due.
    run_at: Time,
    /// Why it failed the last time.
    last_error: Option<String>,
    created_at: Time,
}

impl From<Job> for JobShape {
    fn from(job: Job) -> Self {
        Self {
            id: Written(job.id),
            kind: job.kind,
            state: job.state.as_str(),
            account: job.account.map(Written),
            payload: serde_json::from_str(&job.payload).unwrap_or_default(),
            attempts: job.attempts,
            run_at: Written(job.run_at),
            last_error: job.last_error,
            created_at: Written(job.created_at),
        }
    }
}
