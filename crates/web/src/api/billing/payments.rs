//! `GET payments`: what an account paid, and what became of it.

use app::billing::{self, Payment};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{InvoiceId, PaymentId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::api::paging::{self, AccountListQuery};
use crate::api::subscription::money;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

/// A payment. Amounts are decimals in its currency.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentShape {
    #[schema(value_type = String, example = "pay_01k…")]
    id: Written<PaymentId>,
    /// Stripe's id.
    stripe_id: String,
    #[schema(value_type = Option<String>)]
    invoice: Option<Written<InvoiceId>>,
    /// `succeeded`, `processing`, `requires_action`, `requires_payment_method`, `canceled`.
    status: String,
    amount: String,
    /// What was paid back of it.
    refunded: String,
    #[schema(example = "USD")]
    currency: String,
    #[schema(example = "visa 4242")]
    method: Option<String>,
    receipt_url: Option<String>,
    /// Why it failed.
    failure: Option<String>,
    disputed: bool,
    created_at: Time,
}

impl From<Payment> for PaymentShape {
    fn from(payment: Payment) -> Self {
        Self {
            amount: money(payment.amount, &payment.currency),
            refunded: money(payment.refunded, &payment.currency),
            id: Written(payment.id),
            stripe_id: payment.stripe_id,
            invoice: payment.invoice.map(Written),
            status: payment.status,
            currency: payment.currency,
            method: payment.method,
            receipt_url: payment.receipt_url,
            failure: payment.failure,
            disputed: payment.disputed,
            created_at: Written(payment.created_at),
        }
    }
}

/// List payments
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/payments",
    tag = "subscription",
    params(AccountListQuery),
    responses((status = 200, body = Page<PaymentShape>), Problems),
)]
pub async fn list_payments(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<AccountListQuery>,
) -> Result<Response, Failure> {
    let (account, (before, limit)) = query.read(PaymentId::parse)?;
    let found = billing::list_payments(&state.app, &caller, &account, (before, limit + 1)).await?;
    Ok(answer::ok(&paging::page(found, limit, |payment| payment.id.to_string(), PaymentShape::from)))
}
