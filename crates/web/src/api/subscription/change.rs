//! `POST subscription/change`: another plan or interval, now or when what is paid for is over.

use app::billing::{self, WantedChange};
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::show::SubscriptionShape;
use super::{IntervalName, WhenName};
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::{Text, Time};
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "pro")]
    plan: Text<1, 255>,
    interval: IntervalName,
    /// `now` charges and credits the time that is left; `period_end` keeps the plan until what is paid for is over.
    #[serde(default)]
    when: WhenName,
    /// That of the preview: then it costs to the cent what was shown.
    #[schema(inline)]
    proration_date: Option<Time>,
}

impl ChangeBody {
    pub fn wanted(&self) -> WantedChange {
        WantedChange {
            plan: self.plan.0.clone(),
            interval: self.interval.into(),
            when: self.when.into(),
            proration_date: self.proration_date.map(|time| time.0),
        }
    }

    pub fn account(&self) -> Result<app::AccountRef, Failure> {
        let text = |text: &Option<_>| text.as_ref().map(|text: &Text<1, 64>| text.0.clone());
        account_ref(text(&self.account), self.external_id.as_ref().map(|text| text.0.clone()))
    }
}

/// How a change came out.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedSubscription)]
pub struct ChangedShape {
    subscription: SubscriptionShape,
    /// The change waits until its invoice is paid on this page. Null: it is done.
    pay_url: Option<String>,
}

/// Change the plan
///
/// A change for which payment is due holds once it is paid. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/change",
    tag = "subscription",
    request_body = ChangeBody,
    responses((status = 200, body = ChangedShape), Problems),
)]
pub async fn change_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<ChangeBody>,
) -> Result<Response, Failure> {
    let changed = billing::change_plan(&state.app, &caller, &body.account()?, &body.wanted()).await?;
    Ok(answer::ok(&ChangedShape { subscription: changed.subscription.into(), pay_url: changed.pay_url }))
}
