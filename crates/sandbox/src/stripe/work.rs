//! One piece of work on the state: a request, or one thing that fell due. It has one time, and it is undone whole when
//! it ends in a refusal.
//!
//! Objects are read, made and changed through [`Work`] alone, so that it can undo them.

use serde_json::{Value, json};

use super::fields::Fields;
use super::refusal::Refusal;
use super::state::{Delivery, Due, State, Task};

/// Who asked, for the events that follow.
#[derive(Clone, Default)]
pub struct Origin {
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
    pub api_version: String,
}

/// A point in a piece of work.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    changes: usize,
    notes: usize,
    deliveries: usize,
}

pub struct Work<'a> {
    pub state: &'a mut State,
    /// The time of this work: the clock's, or the test clock's that its customer follows.
    pub now: i64,
    /// The test clock that this work follows; empty without one.
    pub clock: String,
    pub origin: Origin,
    pub public_url: &'a str,
    before: Vec<(String, String, Option<Value>)>,
    notes: Vec<(String, Due)>,
    deliveries: Vec<Delivery>,
}

impl<'a> Work<'a> {
    pub fn new(state: &'a mut State, now: i64, origin: Origin, public_url: &'a str) -> Work<'a> {
        Work {
            state,
            now,
            clock: String::new(),
            origin,
            public_url,
            before: Vec::new(),
            notes: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// Keeps what was done, and sends its events on their way.
    pub fn keep(self) {
        self.state.deliveries.extend(self.deliveries);
    }

    /// Whether anything was done that could be undone.
    pub fn has_changed(&self) -> bool {
        !self.before.is_empty() || !self.notes.is_empty()
    }

    /// Everything is as it was.
    pub fn undo(mut self) {
        self.undo_since(Mark::default());
    }

    /// How much was done so far, for [`Work::undo_since`].
    pub fn mark(&self) -> Mark {
        Mark { changes: self.before.len(), notes: self.notes.len(), deliveries: self.deliveries.len() }
    }

    /// Undoes what was done since the mark.
    pub fn undo_since(&mut self, mark: Mark) {
        while self.before.len() > mark.changes {
            let (kind, id, object) = self.before.pop().expect("there are more than the mark");
            self.state.put(&kind, &id, object);
        }
        for (clock, due) in self.notes.drain(mark.notes..) {
            self.state.forget_due(&clock, &due);
        }
        self.deliveries.truncate(mark.deliveries);
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.state.get(kind, id)
    }

    /// The object, which is known to exist: an object of ours names it.
    pub fn known(&self, kind: &str, id: &str) -> Value {
        self.get(kind, id).cloned().unwrap_or(Value::Null)
    }

    /// The object that a request names.
    pub fn find(&self, kind: &str, id: &str, param: &str) -> Result<Value, Refusal> {
        let found = self.get(kind, id).filter(|object| !object.is("deleted"));
        found.cloned().ok_or_else(|| Refusal::no_such(kind, id, param))
    }

    /// Puts an object in its place, under its own id.
    pub fn put(&mut self, kind: &str, object: Value) {
        let id = object.text("id").to_owned();
        let before = self.state.put(kind, &id, Some(object));
        self.before.push((kind.to_owned(), id, before));
    }

    pub fn remove(&mut self, kind: &str, id: &str) {
        let before = self.state.put(kind, id, None);
        self.before.push((kind.to_owned(), id.to_owned(), before));
    }

    /// Sets fields of an object. Nothing is done where there is none.
    pub fn set(&mut self, kind: &str, id: &str, fields: Value) -> Value {
        let mut object = self.known(kind, id);
        if object.is_null() {
            return object;
        }
        merge(&mut object, fields);
        self.put(kind, object.clone());
        object
    }

    pub fn id(&mut self, prefix: &str) -> String {
        self.state.id(prefix)
    }

    pub fn remind(&mut self, at: i64, task: Task, id: &str) {
        let clock = self.clock.clone();
        let due = self.state.note_due(&clock, at, task, id);
        self.notes.push((clock, due));
    }

    /// From here on this work has the time that the customer lives by.
    pub fn live_by(&mut self, customer: &Value) {
        let Some(clock) = customer.opt_text("test_clock") else { return };
        if self.clock == clock {
            return;
        }
        if let Some(frozen) = self.get("test_helpers.test_clock", clock).map(|clock| clock.whole("frozen_time")) {
            self.now = frozen;
            clock.clone_into(&mut self.clock);
        }
    }

    /// The test clock as objects name it.
    pub fn test_clock(&self) -> Value {
        match self.clock.is_empty() {
            true => Value::Null,
            false => json!(self.clock),
        }
    }

    /// Holds a delivery back until the work is kept.
    pub fn deliver(&mut self, event: &str, event_type: &str, endpoint: &str) {
        let number = self.state.next_number();
        self.deliveries.push(Delivery {
            number,
            event: event.to_owned(),
            event_type: event_type.to_owned(),
            endpoint: endpoint.to_owned(),
            attempts: 0,
            not_before_ms: 0,
            is_held: false,
        });
    }
}

/// Sets the fields of one object that another has.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                into.insert(key, value);
            }
        }
        (into, from) => *into = from,
    }
}
