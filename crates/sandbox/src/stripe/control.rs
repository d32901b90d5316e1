//! What tests and the development console steer, under `/sandbox`, as JSON, from this machine alone.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cards::CARDS;
use super::checkout::paying::{self, Paid};
use super::clock as real;
use super::faults;
use super::fields::Fields;
use super::payment_intents;
use super::portal_actions;
use super::refusal::Refusal;
use super::sandbox::{NEWEST_VERSION, Stripe};
use super::server::IsLocal;
use super::shown;
use super::state::AfterRetries;
use super::travel::Travel;
use super::work::Origin;

type Stand = State<Arc<Stripe>>;

const USUAL_TIMEOUT_MS: u64 = 10_000;
const POLL: Duration = Duration::from_millis(10);

/// An error of the control surface.
pub struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        Refused(status, refusal.message)
    }
}

type Answer = Result<Json<Value>, Refused>;

fn check(IsLocal(is_local): IsLocal) -> Result<(), Refused> {
    match is_local {
        true => Ok(()),
        false => Err(Refused(StatusCode::FORBIDDEN, "The sandbox is steered from its own machine alone.".to_owned())),
    }
}

fn bad(message: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, message.into())
}

async fn saved(stripe: &Stripe, answer: Value) -> Answer {
    stripe.save().await.map_err(|message| Refused(StatusCode::INTERNAL_SERVER_ERROR, message))?;
    Ok(Json(answer))
}

/// What is done by a person and not by a caller of the API.
pub fn by_a_person() -> Origin {
    Origin { api_version: NEWEST_VERSION.to_owned(), ..Origin::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    now: Option<i64>,
    advance_seconds: Option<i64>,
}

/// `GET /sandbox/clock`: `{"now": seconds}`.
pub async fn clock(State(stripe): Stand, Extension(local): Extension<IsLocal>) -> Answer {
    check(local)?;
    Ok(Json(json!({ "now": stripe.now() })))
}

/// `POST /sandbox/clock`: `{"now": seconds}` or `{"advance_seconds": seconds}`; all that falls due is played first.
pub async fn move_clock(State(stripe): Stand, Extension(local): Extension<IsLocal>, Json(asked): Json<Move>) -> Answer {
    check(local)?;
    let now = stripe.now();
    let to = match (asked.now, asked.advance_seconds) {
        (Some(to), None) => to,
        (None, Some(seconds)) => now + seconds,
        _ => return Err(bad("Give either now or advance_seconds.")),
    };
    if to < now {
        return Err(bad("The clock never goes back."));
    }
    stripe.move_clock_to(to);
    saved(&stripe, json!({ "now": stripe.now() })).await
}

/// `POST /sandbox/faults`, see [`faults::Asked`].
pub async fn add_fault(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Json(asked): Json<faults::Asked>,
) -> Answer {
    check(local)?;
    let added = stripe.faults.lock().add(&asked);
    added.ok_or_else(|| {
        bad("Give an effect: \"lose_answer\", \"cut\", {\"status\": 400 to 599} or {\"delay_ms\": n}.")
    })?;
    Ok(Json(json!({ "ok": true })))
}

pub async fn clear_faults(State(stripe): Stand, Extension(local): Extension<IsLocal>) -> Answer {
    check(local)?;
    stripe.faults.lock().clear();
    Ok(Json(json!({ "ok": true })))
}

/// `POST /sandbox/webhooks`: how webhooks travel from here on; an empty object: as they are made.
pub async fn set_travel(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Json(travel): Json<Travel>,
) -> Answer {
    check(local)?;
    *stripe.travel.lock() = travel;
    Ok(Json(json!({ "ok": true })))
}

/// `POST /sandbox/webhooks/release`: sends what is held, in another order where `shuffle` is on.
pub async fn release(State(stripe): Stand, Extension(local): Extension<IsLocal>) -> Answer {
    check(local)?;
    let count = release_held(&stripe);
    saved(&stripe, json!({ "released": count })).await
}

fn release_held(stripe: &Stripe) -> usize {
    let mut state = stripe.state();
    let mut held: Vec<usize> = (0..state.deliveries.len()).filter(|place| state.deliveries[*place].is_held).collect();
    let count = held.len();
    let numbers: Vec<u64> = held.iter().map(|place| state.deliveries[*place].number).collect();
    {
        let mut travel = stripe.travel.lock();
        if travel.shuffle {
            for place in (1..held.len()).rev() {
                let other = usize::try_from(travel.below(place as u64 + 1)).unwrap_or_default();
                held.swap(place, other);
            }
        }
    }
    let now = real::real_ms();
    for (place, number) in held.into_iter().zip(numbers) {
        let delivery = &mut state.deliveries[place];
        (delivery.is_held, delivery.number, delivery.not_before_ms) = (false, number, now);
    }
    state.deliveries.make_contiguous().sort_by_key(|delivery| delivery.number);
    stripe.has_changed(&mut state);
    count
}

/// `GET /sandbox/requests`: what the stand-in has been asked, newest last.
pub async fn requests(State(stripe): Stand, Extension(local): Extension<IsLocal>) -> Answer {
    check(local)?;
    let asked = stripe.asked.lock();
    let shown: Vec<Value> = asked
        .iter()
        .map(|asked| {
            json!({
                "request_id": asked.request_id, "method": asked.method, "path": asked.path,
                "idempotency_key": asked.idempotency_key, "parameters": asked.parameters, "status": asked.status,
            })
        })
        .collect();
    Ok(Json(json!({ "requests": shown })))
}

/// `GET /sandbox/counts`.
pub async fn counts(State(stripe): Stand, Extension(local): Extension<IsLocal>) -> Answer {
    check(local)?;
    Ok(Json(stripe.state().counts()))
}

/// `GET /sandbox/cards`: the test cards, and what each does.
pub async fn cards(Extension(local): Extension<IsLocal>) -> Answer {
    check(local)?;
    let shown = CARDS.iter().map(|card| json!({ "number": card.number, "tokens": card.tokens, "label": card.label }));
    Ok(Json(json!({ "cards": shown.collect::<Vec<Value>>() })))
}

#[derive(Deserialize)]
pub struct Patience {
    timeout_ms: Option<u64>,
}

/// `GET /sandbox/settled`: answers once no webhook waits to be delivered, held ones aside; 408 after the timeout.
pub async fn settled(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Query(patience): Query<Patience>,
) -> Answer {
    check(local)?;
    let limit = Duration::from_millis(patience.timeout_ms.unwrap_or(USUAL_TIMEOUT_MS));
    let waiting = || stripe.state().deliveries.iter().filter(|delivery| !delivery.is_held).count();
    let until_settled = async {
        while waiting() > 0 {
            tokio::time::sleep(POLL).await;
        }
    };
    match tokio::time::timeout(limit, until_settled).await {
        Ok(()) => Ok(Json(json!({ "settled": true }))),
        Err(_) => {
            Err(Refused(StatusCode::REQUEST_TIMEOUT, format!("{} webhooks still wait to be delivered.", waiting())))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    after_retries: Option<AfterRetries>,
}

/// `POST /sandbox/settings`: `{"after_retries": "cancel" | "unpaid" | "past_due"}`.
pub async fn settings(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Json(settings): Json<Settings>,
) -> Answer {
    check(local)?;
    {
        let mut state = stripe.state();
        if let Some(after_retries) = settings.after_retries {
            state.after_retries = after_retries;
        }
        stripe.has_changed(&mut state);
    }
    saved(&stripe, json!({ "ok": true })).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    card: Option<String>,
    promotion_code: Option<String>,
    email: Option<String>,
}

/// `POST /sandbox/checkout/{session}/pay`: what a person does with the page. A decline is 402.
pub async fn pay(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Path(session): Path<String>,
    Json(payment): Json<Payment>,
) -> Answer {
    check(local)?;
    let paid = stripe.work(by_a_person(), |work| {
        let (card, code, email) =
            (payment.card.as_deref(), payment.promotion_code.as_deref(), payment.email.as_deref());
        let paid = paying::pay(work, &session, card, code, email)?;
        Ok((paid, work.known("checkout.session", &session)))
    })?;
    let answer = match paid {
        (Paid::Complete { success_url }, session) => json!({
            "status": "complete", "success_url": success_url,
            "customer": session["customer"], "subscription": session["subscription"], "invoice": session["invoice"],
            "payment_status": session["payment_status"],
        }),
        (Paid::RequiresAction { url }, session) => {
            json!({
                "status": "requires_action",
                "payment_intent": session["_intent"],
                "intent": url.rsplit('/').next(),
                "url": url,
            })
        }
    };
    saved(&stripe, answer).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    confirm: bool,
}

/// `POST /sandbox/3ds/{intent}`: `{"confirm": true | false}`, the owner's answer. Gives the intent, of payment or setup.
pub async fn authenticate(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Path(intent): Path<String>,
    Json(asked): Json<Authentication>,
) -> Answer {
    check(local)?;
    let mut intent = stripe.work(by_a_person(), |work| payment_intents::authenticate(work, &intent, asked.confirm))?;
    shown::hide_own_fields(&mut intent);
    debug_assert!(!intent.text("status").is_empty());
    saved(&stripe, intent).await
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Visit {
    subscription: String,
    price: String,
    card: String,
}

/// `POST /sandbox/portal/{session}/change|preview|cancel|resume|card`: what a customer does in the portal.
pub async fn portal(
    State(stripe): Stand,
    Extension(local): Extension<IsLocal>,
    Path((session, action)): Path<(String, String)>,
    Json(asked): Json<Visit>,
) -> Answer {
    check(local)?;
    let mut done = stripe.work(by_a_person(), |work| match action.as_str() {
        "change" => portal_actions::change(work, &session, &asked.subscription, &asked.price),
        "preview" => portal_actions::preview_change(work, &session, &asked.subscription, &asked.price),
        "cancel" => portal_actions::cancel(work, &session, &asked.subscription),
        "resume" => portal_actions::resume(work, &session, &asked.subscription),
        "card" => portal_actions::use_card(work, &session, &asked.card),
        other => Err(Refusal::invalid(format!("The portal knows no action {other}."))),
    })?;
    shown::hide_own_fields(&mut done);
    saved(&stripe, done).await
}
