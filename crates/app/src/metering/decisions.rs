//! Counts what was decided, by outcome and meter, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::name::Name;
use metrics::Counter;
use parking_lot::RwLock;

/// By meter, then by outcome: the registry's own look-up would build a key for every decision.
static COUNTERS: LazyLock<RwLock<BTreeMap<Name, BTreeMap<&'static str, Counter>>>> = LazyLock::new(RwLock::default);

/// Meters are those of a catalog; of more than this many names none is remembered.
const MOST_METERS: usize = 1_024;

/// One decision about a meter: `allowed` or `denied`.
pub(super) fn count(outcome: &'static str, meter: &Name) {
    if let Some(counter) = COUNTERS.read().get(meter).and_then(|outcomes| outcomes.get(outcome)) {
        return counter.increment(1);
    }
    let counter = metrics::counter!("tollway_decisions_total", "outcome" => outcome, "meter" => meter.to_string());
    counter.increment(1);
    let mut counters = COUNTERS.write();
    if counters.len() < MOST_METERS {
        counters.entry(meter.clone()).or_default().insert(outcome, counter);
    }
}
