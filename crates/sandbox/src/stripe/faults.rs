//! Faults that tests ask for: calls that are cut, answers that are lost, errors instead of answers, delays.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The work is done, and the connection is cut before the answer.
    LoseAnswer,
    /// The connection is cut before any work.
    Cut,
    /// An error instead of any work. Kept under the idempotency key, if the test says so.
    Status { status: u16, is_kept: bool },
    /// The work is done after a pause.
    DelayMs(u64),
}

#[derive(Clone, Debug)]
pub struct Fault {
    method: String,
    path: String,
    skip: u64,
    left: u64,
    effect: Effect,
}

#[derive(Default)]
pub struct Faults(Vec<Fault>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    after: u64,
    times: Option<u64>,
    #[serde(default)]
    kept: bool,
    effect: Option<Value>,
    status: Option<u16>,
    delay_ms: Option<u64>,
}

impl Asked {
    /// The effect, given as a name, as `{"status": 503}`, or beside the others.
    fn effect(&self) -> Option<Effect> {
        let named = self.effect.as_ref().and_then(Value::as_str);
        let inside = self.effect.as_ref().and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        let status = self.status.map(u64::from).or(inside.get("status").and_then(Value::as_u64));
        let delay = self.delay_ms.or(inside.get("delay_ms").and_then(Value::as_u64));
        match (named, status, delay) {
            (Some("lose_answer"), ..) => Some(Effect::LoseAnswer),
            (Some("cut"), ..) => Some(Effect::Cut),
            (_, Some(status @ 400..=599), _) => {
                Some(Effect::Status { status: u16::try_from(status).ok()?, is_kept: self.kept })
            }
            (_, _, Some(delay)) => Some(Effect::DelayMs(delay)),
            _ => None,
        }
    }
}

impl Faults {
    /// None: no effect is known by that name.
    pub fn add(&mut self, asked: &Asked) -> Option<()> {
        let effect = asked.effect()?;
        self.0.push(Fault {
            method: asked.method.clone().unwrap_or_else(|| "*".to_owned()),
            path: asked.path.clone().unwrap_or_else(|| "*".to_owned()),
            skip: asked.after,
            left: asked.times.unwrap_or(1),
            effect,
        });
        Some(())
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this call: each fault that fits counts it.
    pub fn meet(&mut self, method: &str, path: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for fault in &mut self.0 {
            let fits =
                (fault.method == "*" || fault.method.eq_ignore_ascii_case(method)) && path_fits(&fault.path, path);
            if !fits || fault.left == 0 {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.left -= 1;
            effects.push(fault.effect);
        }
        self.0.retain(|fault| fault.left > 0);
        effects
    }
}

/// A beginning of the path, in which `*` stands for anything.
fn path_fits(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_meets_the_calls_that_fit_after_those_it_skips() {
        let mut faults = Faults::default();
        let asked = json!({ "method": "POST", "path": "/v1/invoices/*/pay", "after": 1, "times": 1, "effect": "cut" });
        faults.add(&serde_json::from_value(asked).unwrap()).unwrap();
        assert!(faults.meet("POST", "/v1/invoices").is_empty());
        assert!(faults.meet("GET", "/v1/invoices/in_1/pay").is_empty());
        assert!(faults.meet("POST", "/v1/invoices/in_1/pay").is_empty());
        assert_eq!(faults.meet("POST", "/v1/invoices/in_2/pay"), [Effect::Cut]);
        assert!(faults.meet("POST", "/v1/invoices/in_3/pay").is_empty());
    }
}
