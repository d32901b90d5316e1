//! How webhooks travel: as they are made, unless a test has them lost, doubled, delayed, shuffled or held.

use serde::Deserialize;
use serde_json::Value;

use super::state::Delivery;

/// A shuffled webhook sets out up to so much later.
const SHUFFLE_MS: u64 = 200;

/// What a test asks for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Travel {
    /// A percentage, or a list of event types, or both as `{"percent", "types"}`.
    #[serde(default)]
    lose: Value,
    #[serde(default)]
    double: u64,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    pub shuffle: bool,
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    seed: u64,
}

impl Travel {
    /// A number below `end`, the same for the same seed and order.
    pub fn below(&mut self, end: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// Decides on what was made since the last time.
    pub fn set_out(&mut self, deliveries: &mut Vec<Delivery>, now_ms: i64) {
        if deliveries.last().is_none_or(|delivery| delivery.not_before_ms != 0) {
            return;
        }
        let mut all = Vec::with_capacity(deliveries.len());
        for mut delivery in deliveries.drain(..) {
            if delivery.not_before_ms != 0 {
                all.push(delivery);
                continue;
            }
            if self.is_lost(&delivery) {
                continue;
            }
            delivery.is_held = self.hold;
            let is_doubled = self.below(100) < self.double;
            if is_doubled {
                let copy = self.scheduled(delivery.clone(), now_ms);
                all.push(copy);
            }
            all.push(self.scheduled(delivery, now_ms));
        }
        *deliveries = all;
    }

    fn scheduled(&mut self, mut delivery: Delivery, now_ms: i64) -> Delivery {
        let shuffle = if self.shuffle { self.below(SHUFFLE_MS) } else { 0 };
        delivery.not_before_ms = now_ms + i64::try_from(self.delay_ms + shuffle).unwrap_or(i64::MAX / 2);
        delivery
    }

    fn is_lost(&mut self, delivery: &Delivery) -> bool {
        let types = self.lose.get("types").unwrap_or(&self.lose).as_array().cloned().unwrap_or_default();
        let percent = self.lose.get("percent").unwrap_or(&self.lose).as_u64().unwrap_or(0);
        types.iter().any(|lost| lost.as_str() == Some(delivery.event_type.as_str())) || self.below(100) < percent
    }
}
