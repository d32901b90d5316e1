//! The rules as the auditor understands them from the documents, in its own arithmetic.

use std::collections::BTreeMap;

use super::books::Books;
use super::calendar::{HOUR, window};
use super::events::{EventRow, Place, Sums};

/// A meter counted somewhere, and the limit there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    pub meter: &'static str,
    pub scope: &'static str,
    pub window: &'static str,
    /// The plan's own amount; credits are drawn past it. `None`: unlimited.
    pub amount: Option<i64>,
    /// The most before it denies, credits apart. `None`: never.
    pub most: Option<i64>,
}

/// A Consume or Reserve, as it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub amounts: Vec<(String, i64)>,
    pub member: Option<String>,
    pub is_hold: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Fits { postings: BTreeMap<Place, Sums>, draws: BTreeMap<String, i64> },
    TooMuch,
    Suspended,
}

/// Meters that are levels: they count signed differences and draw no credits.
const LEVELS: [&str; 1] = ["seats"];

impl Books {
    /// Whether it fits at `at`, and what it moves.
    pub fn judge(&self, asked: &Asked, at: i64) -> Verdict {
        if self.suspended {
            return Verdict::Suspended;
        }
        let (mut postings, mut draws) = (BTreeMap::new(), BTreeMap::new());
        for (meter, amount) in summed(&asked.amounts) {
            let places = self.places(&meter, asked.member.as_deref(), (at, at));
            let drawn = self.draw(&meter, amount, &places, at, &mut draws);
            for (place, rule) in places {
                let (used, reserved, credited) = self.sum(&place);
                let credit = self.lacking(&place, rule, amount).min(drawn);
                let room = rule.most.map(|most| (most + credited - used - reserved).max(0));
                if amount > 0 && room.is_some_and(|room| amount - credit > room) {
                    return Verdict::TooMuch;
                }
                let moved = if asked.is_hold { (0, amount, credit) } else { (amount, 0, credit) };
                postings.insert(place, moved);
            }
        }
        Verdict::Fits { postings, draws }
    }

    /// Where a meter counts what happened at `when` and is judged at `at`.
    fn places(&self, meter: &str, member: Option<&str>, (when, at): (i64, i64)) -> Vec<(Place, &Rule)> {
        let mut places = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.meter == meter) {
            let id = match (rule.scope, member) {
                ("member", None) => continue,
                ("member", Some(member)) => member,
                _ => "",
            };
            let start = match window(rule.window, self.anchor, when) {
                // An hour after its end a window is closed.
                (_, Some(end)) if when <= at && at >= end + HOUR => window(rule.window, self.anchor, at).0,
                // Before the account there were no periods of its own.
                _ if rule.window == "period" && when < self.anchor => window(rule.window, self.anchor, at).0,
                (start, _) => start,
            };
            let place = (rule.scope.to_owned(), id.to_owned(), meter.to_owned(), rule.window.to_owned(), start);
            places.push((place, rule));
        }
        places
    }

    /// What the plan's own amount does not cover.
    fn lacking(&self, place: &Place, rule: &Rule, amount: i64) -> i64 {
        let Some(own) = rule.amount.filter(|_| rule.scope == "account" && !LEVELS.contains(&rule.meter)) else {
            return 0;
        };
        let (used, reserved, credited) = self.sum(place);
        (used + reserved + amount - own - credited).clamp(0, amount.max(0))
    }

    /// Draws from the open credits, in order. Returns how much.
    fn draw(
        &self,
        meter: &str,
        amount: i64,
        places: &[(Place, &Rule)],
        at: i64,
        draws: &mut BTreeMap<String, i64>,
    ) -> i64 {
        let mut lacking = places.iter().map(|(place, rule)| self.lacking(place, rule, amount)).max().unwrap_or(0);
        let mut open: Vec<_> = self
            .credits
            .iter()
            .filter(|(id, credit)| {
                let open = self.credit_terms(id).expires_at.is_none_or(|expiry| at < expiry);
                credit.meter == meter && credit.remaining > 0 && open
            })
            .collect();
        open.sort_by_key(|(id, _)| {
            let terms = self.credit_terms(id);
            (terms.priority, terms.expires_at.unwrap_or(i64::MAX), (*id).clone())
        });
        let mut drawn = 0;
        for (id, credit) in open {
            let taken = lacking.min(credit.remaining);
            if taken > 0 {
                draws.insert(id.clone(), taken);
            }
            lacking -= taken;
            drawn += taken;
        }
        drawn
    }

    /// Judges an accepted event once more, on the books as they were before it.
    pub(super) fn judge_again(&self, row: &EventRow) -> Result<(), String> {
        match row.action.as_str() {
            "consume" | "reserve" => {
                let asked =
                    Asked { amounts: row.amounts.clone(), member: member_of(row), is_hold: row.action == "reserve" };
                match self.judge(&asked, row.at) {
                    Verdict::Fits { postings, draws } => same(row, &postings, &draws),
                    verdict => Err(format!("{} was accepted and should not have been: {verdict:?} {row:?}", row.id)),
                }
            }
            "record" => {
                let (mut postings, mut draws) = (BTreeMap::new(), BTreeMap::new());
                for (meter, amount) in summed(&row.amounts) {
                    let places = self.places(&meter, member_of(row).as_deref(), (row.occurred_at, row.at));
                    let drawn = self.draw(&meter, amount, &places, row.at, &mut draws);
                    for (place, rule) in places {
                        let credit = self.lacking(&place, rule, amount).min(drawn);
                        postings.insert(place, (amount, 0, credit));
                    }
                }
                same(row, &postings, &draws)
            }
            "adjust" => {
                let asked: BTreeMap<String, i64> = summed(&row.amounts).into_iter().collect();
                let wrong = row.postings.iter().find(|(place, moved)| {
                    let used = self.sum(place).0;
                    *moved != (asked.get(&place.2).copied().unwrap_or(0).max(-used), 0, 0)
                });
                wrong.map_or(Ok(()), |wrong| Err(format!("{} adjusts wrongly: {wrong:?}", row.id)))
            }
            "set_level" if row.flags & 4 == 0 => {
                let asked: BTreeMap<String, i64> = summed(&row.amounts).into_iter().collect();
                let wrong = row
                    .postings
                    .iter()
                    .find(|(place, moved)| asked.get(&place.2) != Some(&(self.sum(place).0 + moved.0)));
                wrong.map_or(Ok(()), |wrong| Err(format!("{} sets another level: {wrong:?}", row.id)))
            }
            _ => Ok(()),
        }
    }

    /// Consumes, Reserves and Releases in an unknown order: wherever there is a limit, they end at or below it, or took nothing.
    pub(super) fn must_fit_after(&self, before: &Books, fresh: &[EventRow]) -> Result<(), String> {
        let allowed = ["consume", "reserve", "release", "expire"];
        if let Some(row) = fresh.iter().find(|row| !allowed.contains(&row.action.as_str())) {
            return Err(format!("nobody asked for {row:?}"));
        }
        if self.suspended && fresh.iter().any(|row| allowed[..2].contains(&row.action.as_str())) {
            return Err("a suspended account used something".to_owned());
        }
        for (place, sums) in &self.sums {
            let rule = self.rules.iter().find(|rule| (rule.scope, rule.meter, rule.window) == key(place));
            let Some(most) = rule.and_then(|rule| rule.most) else { continue };
            let held = |sums: Sums| sums.0 + sums.1 - sums.2;
            if held(*sums) > held(before.sum(place)).max(most) {
                return Err(format!("{place:?} passed {most}: {sums:?}, before {:?}", before.sum(place)));
            }
        }
        Ok(())
    }
}

fn key(place: &Place) -> (&str, &str, &str) {
    (&place.0, &place.2, &place.3)
}

/// Commands of the simulation name members alone, and postings carry the name.
fn member_of(row: &EventRow) -> Option<String> {
    row.postings.iter().find(|(place, _)| place.0 == "member").map(|(place, _)| place.1.clone())
}

fn summed(amounts: &[(String, i64)]) -> Vec<(String, i64)> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (meter, amount) in amounts {
        *sums.entry(meter.clone()).or_default() += amount;
    }
    sums.into_iter().collect()
}

fn same(row: &EventRow, postings: &BTreeMap<Place, Sums>, draws: &BTreeMap<String, i64>) -> Result<(), String> {
    let posted: BTreeMap<Place, Sums> = row.postings.iter().cloned().collect();
    let drawn: BTreeMap<String, i64> = row.draws.iter().map(|(credit, _, amount)| (credit.clone(), *amount)).collect();
    if posted != *postings || posted.len() != row.postings.len() {
        return Err(format!("{} {} posted {posted:?}, it should have been {postings:?}", row.action, row.id));
    }
    if drawn != *draws || drawn.len() != row.draws.len() {
        return Err(format!("{} {} drew {drawn:?}, it should have been {draws:?}", row.action, row.id));
    }
    Ok(())
}
