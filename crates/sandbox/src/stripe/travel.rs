//! How webhooks travel: as they are made, unless a test has them lost, doubled, delayed, shuffled or held.

use std::collections::VecDeque;

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

    /// Decides on what was made since the last time, which stands at the end.
    pub fn set_out(&mut self, deliveries: &mut VecDeque<Delivery>, now_ms: i64) {
        let fresh = deliveries.iter().rev().take_while(|delivery| delivery.not_before_ms == 0).count();
        for mut delivery in deliveries.split_off(deliveries.len() - fresh) {
            if self.is_lost(&delivery) {
                continue;
            }
            delivery.is_held = self.hold;
            let is_doubled = self.below(100) < self.double;
            if is_doubled {
                let copy = self.scheduled(delivery.clone(), now_ms);
                deliveries.push_back(copy);
            }
            let delivery = self.scheduled(delivery, now_ms);
            deliveries.push_back(delivery);
        }
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
