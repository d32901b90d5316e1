//! `GET invoices` and `GET invoices/{id}`: what an account was billed.

use app::billing::{self, Invoice, Line};
use axum::extract::State;
use axum::response::Response;
use domain::ids::InvoiceId;
use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::api::paging::{self, AccountListQuery};
use crate::api::subscription::money;
use crate::api::usage::now::Period;
use crate::extract::work::AccountQuery;
use crate::extract::{Authenticated, PathId, QueryFields};
use crate::problem::{Failure, Problems};

/// An invoice. Amounts are decimals in its currency.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
pub struct InvoiceShape {
    #[schema(value_type = String, example = "inv_01k…")]
    id: Written<InvoiceId>,
    /// Stripe's id.
    stripe_id: String,
    number: Option<String>,
    /// `draft`, `open`, `paid`, `void`, `uncollectible`.
    status: String,
    /// `subscription_create`, `subscription_cycle`, `subscription_update`, `manual`.
    reason: Option<String>,
    #[schema(example = "USD")]
    currency: String,
    subtotal: String,
    tax: String,
    total: String,
    amount_due: String,
    amount_paid: String,
    period: Period,
    lines: Vec<LineShape>,
    /// Stripe's page, where it can be seen and paid.
    hosted_url: Option<String>,
    pdf_url: Option<String>,
    /// How often its payment was tried, and when it is tried next.
    attempts: i64,
    next_attempt_at: Option<Time>,
    created_at: Time,
    finalized_at: Option<Time>,
    paid_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
pub struct LineShape {
    description: String,
    /// Below zero: taken off.
    amount: String,
    quantity: Option<i64>,
    proration: bool,
    period: Option<Period>,
}

impl From<Invoice> for InvoiceShape {
    fn from(invoice: Invoice) -> Self {
        let amount = |minor: i64| money(minor, &invoice.currency);
        let line = |line: Line| {
            let period = line.period_start.zip(line.period_end).map(|(start, end)| Period {
                start: Written(Timestamp::from_seconds(start)),
                end: Written(Timestamp::from_seconds(end)),
            });
            let amount = money(line.amount, &invoice.currency);
            LineShape {
                description: line.description,
                amount,
                quantity: line.quantity,
                proration: line.proration,
                period,
            }
        };
        Self {
            subtotal: amount(invoice.subtotal),
            tax: amount(invoice.tax),
            total: amount(invoice.total),
            amount_due: amount(invoice.amount_due),
            amount_paid: amount(invoice.amount_paid),
            lines: invoice.lines.into_iter().map(line).collect(),
            id: Written(invoice.id),
            stripe_id: invoice.stripe_id,
            number: invoice.number,
            status: invoice.status,
            reason: invoice.reason,
            currency: invoice.currency,
            period: Period { start: Written(invoice.period_start), end: Written(invoice.period_end) },
            hosted_url: invoice.hosted_url,
            pdf_url: invoice.pdf_url,
            attempts: invoice.attempts,
            next_attempt_at: invoice.next_attempt_at.map(Written),
            created_at: Written(invoice.created_at),
            finalized_at: invoice.finalized_at.map(Written),
            paid_at: invoice.paid_at.map(Written),
        }
    }
}

/// List invoices
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/invoices",
    tag = "subscription",
    params(AccountListQuery),
    responses((status = 200, body = Page<InvoiceShape>), Problems),
)]
pub async fn list_invoices(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<AccountListQuery>,
) -> Result<Response, Failure> {
    let (account, (before, limit)) = query.read(InvoiceId::parse)?;
    let found = billing::list_invoices(&state.app, &caller, &account, (before, limit + 1)).await?;
    Ok(answer::ok(&paging::page(found, limit, |invoice| invoice.id.to_string(), InvoiceShape::from)))
}

/// Show an invoice
#[utoipa::path(
    get,
    path = "/api/v1/invoices/{id}",
    tag = "subscription",
    params(("id" = String, Path, description = "`inv_…`"), AccountQuery),
    responses((status = 200, body = InvoiceShape), Problems),
)]
pub async fn get_invoice(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<InvoiceId>,
    QueryFields(query): QueryFields<AccountQuery>,
) -> Result<Response, Failure> {
    let invoice = billing::get_invoice(&state.app, &caller, &query.account()?, id).await?;
    Ok(answer::ok(&InvoiceShape::from(invoice)))
}
