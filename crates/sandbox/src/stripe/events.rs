//! Events: what happened, with the object as it was then, on their way to every endpoint that wants them.
//!
//! Start with [`Work::tell`] for what was made, and [`Work::tell_change`] for what was changed.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::work::Work;

impl Work<'_> {
    /// Notes an event with the object as it is.
    pub fn tell(&mut self, event_type: &str, object: &Value) {
        self.note_event(event_type, object, None);
    }

    /// Notes an event with the object and what its changed fields were before. Nothing changed: nothing to tell.
    pub fn tell_change(&mut self, event_type: &str, before: &Value, after: &Value) {
        let previous = previous_attributes(before, after);
        if !previous.as_object().is_some_and(Map::is_empty) {
            self.note_event(event_type, after, Some(previous));
        }
    }

    fn note_event(&mut self, event_type: &str, object: &Value, previous: Option<Value>) {
        let id = self.id("evt");
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        let endpoints = self.endpoints_for(event_type);
        let event = json!({
            "id": id,
            "object": "event",
            "api_version": self.origin.api_version,
            "created": self.now,
            "data": data,
            "livemode": false,
            "pending_webhooks": endpoints.len(),
            "request": { "id": self.origin.request_id, "idempotency_key": self.origin.idempotency_key },
            "type": event_type,
        });
        self.put("event", event);
        for endpoint in endpoints {
            self.deliver(&id, event_type, &endpoint);
        }
    }

    fn endpoints_for(&self, event_type: &str) -> Vec<String> {
        let wants = |endpoint: &&Value| {
            endpoint.text("status") == "enabled"
                && endpoint.list("enabled_events").iter().any(|wanted| wanted == "*" || wanted == event_type)
        };
        self.state.all("webhook_endpoint").filter(wants).map(|endpoint| endpoint.text("id").to_owned()).collect()
    }
}

/// The fields that changed, with what they were. Levels below are named by what changed in them; lists are whole.
fn previous_attributes(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return json!({}) };
    let mut previous = Map::new();
    for (key, value) in after {
        if key.starts_with('_') {
            continue;
        }
        let old = before.get(key).unwrap_or(&Value::Null);
        if old == value {
            continue;
        }
        let is_level = old.is_object() && value.is_object() && key != "price" && key != "plan";
        let old = if is_level { previous_attributes(old, value) } else { old.clone() };
        previous.insert(key.clone(), old);
    }
    for (key, old) in before.iter().filter(|(key, _)| !key.starts_with('_') && !after.contains_key(*key)) {
        previous.insert(key.clone(), old.clone());
    }
    Value::Object(previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_attributes_are_the_old_values_of_changed_fields() {
        let before =
            json!({ "status": "active", "metadata": { "a": "1", "b": "2" }, "items": { "data": [1] }, "_own": 1 });
        let after = json!({ "status": "past_due", "metadata": { "a": "1", "b": "3", "c": "4" }, "items": { "data": [2] }, "_own": 2 });
        let previous = previous_attributes(&before, &after);
        let expected = json!({
            "status": "active",
            "metadata": { "b": "2", "c": null },
            "items": { "data": [1] },
        });
        assert_eq!(previous, expected);
    }
}
