//! Idempotency keys: the same call again is answered with what was answered then.
//!
//! Kept are successes, declined payments and broken answers; a request that was not understood is not. A key is
//! forgotten a day later, by the stand-in's clock.

use super::refusal::Refusal;
use super::sandbox::Stripe;
use super::state::KeptAnswer;

const KEPT_SECONDS: i64 = 86_400;

/// A key whose call is on its way. Dropped, it is free again.
pub struct Running<'a> {
    stripe: &'a Stripe,
    key: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.stripe.running_keys.lock().remove(&self.key);
    }
}

/// What is known of a key.
pub enum Key<'a> {
    /// Held until this is dropped.
    #[expect(dead_code, reason = "it is there to be dropped")]
    Fresh(Running<'a>),
    Answered(KeptAnswer),
}

/// Takes a key for a call. `call` names the call and all its parameters.
pub fn take<'a>(stripe: &'a Stripe, key: &str, call: &str) -> Result<Key<'a>, Refusal> {
    if !stripe.running_keys.lock().insert(key.to_owned()) {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key ({key}). Please try again later."
        );
        return Err(Refusal {
            status: 409,
            kind: "idempotency_error",
            ..Refusal::invalid(message).code("idempotency_key_in_use")
        });
    }
    let running = Running { stripe, key: key.to_owned() };
    let now = stripe.now();
    let mut state = stripe.state();
    state.kept_answers.retain(|_, kept| kept.at > now - KEPT_SECONDS);
    match state.kept_answers.get(key) {
        Some(kept) if kept.call == call => Ok(Key::Answered(kept.clone())),
        Some(_) => {
            let message = format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a \
                 key other than '{key}' if you meant to execute a different request."
            );
            Err(Refusal { kind: "idempotency_error", ..Refusal::invalid(message) })
        }
        None => Ok(Key::Fresh(running)),
    }
}

/// Whether an answer with this status is kept.
pub fn is_kept(status: u16) -> bool {
    !(400..500).contains(&status) || status == 402
}
