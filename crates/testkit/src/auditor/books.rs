//! An account as the auditor keeps it: folded from its events alone.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::DAY;
use super::events::{EventRow, Kept, Place, Sums};
use super::judge::Rule;

#[derive(Clone, Debug)]
pub struct Books {
    pub(super) anchor: i64,
    /// The limits that hold now; the simulation tells when they change.
    pub rules: Vec<Rule>,
    pub suspended: bool,
    pub(super) sums: BTreeMap<Place, Sums>,
    pub(super) credits: BTreeMap<String, Credit>,
    pub(super) reservations: BTreeMap<String, Reservation>,
    days: BTreeMap<(i64, String, String), (i64, i64)>,
    reversed: BTreeMap<String, String>,
    seen: BTreeSet<String>,
    /// Events that were asked for under a caller's key.
    keyed: BTreeSet<String>,
    /// Something was mended by hand: what a reservation stands for may have been given back before it is settled.
    pub(super) mended: bool,
    terms: BTreeMap<String, CreditTerms>,
}

#[derive(Clone, Debug)]
pub(super) struct Credit {
    pub meter: String,
    pub granted: i64,
    pub remaining: i64,
}

/// What the simulation said when it granted a credit: priority and expiry. Events do not repeat it.
#[derive(Clone, Copy, Debug)]
pub struct CreditTerms {
    pub priority: i64,
    pub expires_at: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Reservation {
    pub amounts: Vec<(String, i64)>,
    pub holds: Vec<(Place, Sums)>,
    pub state: &'static str,
    /// What its events have moved so far.
    pub net: BTreeMap<Place, Sums>,
}

impl Books {
    pub fn new(anchor: i64, rules: Vec<Rule>) -> Self {
        Self {
            anchor,
            rules,
            suspended: false,
            sums: BTreeMap::new(),
            credits: BTreeMap::new(),
            reservations: BTreeMap::new(),
            days: BTreeMap::new(),
            reversed: BTreeMap::new(),
            seen: BTreeSet::new(),
            keyed: BTreeSet::new(),
            mended: false,
            terms: BTreeMap::new(),
        }
    }

    pub fn has_seen(&self, event: &str) -> bool {
        self.seen.contains(event)
    }

    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    /// An accepted event was asked for under a caller's key.
    pub fn note_key(&mut self, event: String) {
        self.keyed.insert(event);
    }

    pub fn note_credit(&mut self, credit: String, terms: CreditTerms) {
        self.terms.insert(credit, terms);
    }

    pub(super) fn credit_terms(&self, credit: &str) -> CreditTerms {
        self.terms.get(credit).copied().unwrap_or(CreditTerms { priority: 0, expires_at: None })
    }

    pub(super) fn forget_events(&mut self) {
        let kept = self.clone();
        *self = Self::new(kept.anchor, kept.rules);
        (self.suspended, self.mended, self.keyed, self.terms) = (kept.suspended, kept.mended, kept.keyed, kept.terms);
    }

    pub(super) fn sum(&self, place: &Place) -> Sums {
        self.sums.get(place).copied().unwrap_or_default()
    }

    /// Adds an event to everything it touched.
    pub(super) fn fold(&mut self, row: &EventRow) -> Result<(), String> {
        if !self.seen.insert(row.id.clone()) {
            return Err(format!("the event {} is there twice", row.id));
        }
        for (place, moved) in &row.postings {
            add(self.sums.entry(place.clone()).or_default(), *moved);
        }
        for (credit, meter, amount) in &row.draws {
            let known = self.credits.entry(credit.clone()).or_insert_with(|| Credit {
                meter: meter.clone(),
                granted: 0,
                remaining: 0,
            });
            known.remaining -= amount;
            if row.action == "grant" {
                known.granted = -amount;
            }
        }
        if let Some(original) = &row.reverses
            && let Some(before) = self.reversed.insert(original.clone(), row.id.clone())
        {
            return Err(format!("{original} was reversed by {before} and again by {}", row.id));
        }
        self.mended |= matches!(row.action.as_str(), "adjust" | "reverse" | "set_level");
        self.fold_day(row);
        self.fold_reservation(row)
    }

    /// A meter that counts in several windows was still used once: by its largest movement for the whole account.
    fn fold_day(&mut self, row: &EventRow) {
        let mut used: BTreeMap<&str, i64> = BTreeMap::new();
        for ((scope, _, meter, _, _), moved) in &row.postings {
            let largest = used.entry(meter).or_default();
            if scope == "account" && moved.0.unsigned_abs() > largest.unsigned_abs() {
                *largest = moved.0;
            }
        }
        for (meter, used) in used.into_iter().filter(|(_, used)| *used != 0) {
            let key = (row.occurred_at.div_euclid(DAY), meter.to_owned(), row.model.clone());
            let day = self.days.entry(key).or_default();
            day.0 += used;
            day.1 += 1;
        }
    }

    fn fold_reservation(&mut self, row: &EventRow) -> Result<(), String> {
        let Some(id) = &row.reservation else { return Ok(()) };
        if row.action == "reserve" {
            let (amounts, holds) = (row.amounts.clone(), row.postings.clone());
            let net = row.postings.iter().cloned().collect();
            self.reservations.insert(id.clone(), Reservation { amounts, holds, state: "open", net });
            return Ok(());
        }
        let reservation =
            self.reservations.get_mut(id).ok_or_else(|| format!("{} settles what nobody made", row.id))?;
        for (place, moved) in &row.postings {
            add(reservation.net.entry(place.clone()).or_default(), *moved);
        }
        let next = match (row.action.as_str(), reservation.state) {
            ("commit", "open" | "lapsed" | "booked") => "committed",
            ("release", "open" | "booked") => "released",
            ("expire", "open") if row.flags & 2 != 0 => "booked",
            ("expire", "open") => "lapsed",
            (action, state) => return Err(format!("{}: {action} of a reservation that is {state}", row.id)),
        };
        reservation.state = next;
        if let Some((place, net)) =
            reservation.net.iter().find(|(_, net)| (net.1 != 0) || (next == "lapsed" && net.0 != 0))
        {
            return Err(format!("{} leaves {net:?} at {place:?} of a reservation that is {next}", row.id));
        }
        if next != "committed" || self.mended {
            return Ok(());
        }
        let asked = if row.amounts.is_empty() { &reservation.amounts } else { &row.amounts };
        for (place, net) in &reservation.net {
            let asked: i64 = asked.iter().filter(|(meter, _)| *meter == place.2).map(|(_, amount)| amount).sum();
            if net.0 != asked {
                return Err(format!("{} was to count {asked} at {place:?} and counts {}", row.id, net.0));
            }
        }
        Ok(())
    }

    /// Nothing is below zero, nothing drawn that was not granted, and holds add up.
    pub(super) fn must_be_possible(&self) -> Result<(), String> {
        if let Some((place, sums)) = self.sums.iter().find(|(_, sums)| sums.0 < 0 || sums.1 < 0 || sums.2 < 0) {
            return Err(format!("{place:?} is below zero: {sums:?}"));
        }
        let impossible = |credit: &&Credit| credit.remaining < 0 || credit.remaining > credit.granted;
        if let Some(credit) = self.credits.values().find(impossible) {
            return Err(format!("a credit is impossible: {credit:?}"));
        }
        let mut held: BTreeMap<&Place, i64> = BTreeMap::new();
        for reservation in self.reservations.values().filter(|reservation| reservation.state == "open") {
            for (place, hold) in &reservation.holds {
                *held.entry(place).or_default() += hold.1;
            }
        }
        match self.sums.iter().find(|(place, sums)| held.get(place).copied().unwrap_or(0) != sums.1) {
            Some((place, sums)) => Err(format!("{place:?} has {} reserved, holds are {:?}", sums.1, held.get(place))),
            None => Ok(()),
        }
    }

    /// What the ledger keeps is what its events say.
    pub(super) fn must_equal(&self, kept: &Kept) -> Result<(), String> {
        let zero = (0, 0, 0);
        for place in self.sums.keys().chain(kept.balances.keys()) {
            let (said, is) = (self.sum(place), kept.balances.get(place).copied().unwrap_or(zero));
            if said != is {
                return Err(format!("{place:?} is kept as {is:?}, its events say {said:?}"));
            }
        }
        for (id, credit) in &self.credits {
            if kept.credits.get(id) != Some(&credit.remaining) {
                return Err(format!("{id} is kept as {:?}, its events say {credit:?}", kept.credits.get(id)));
            }
        }
        for (id, reservation) in &self.reservations {
            if kept.reservations.get(id).map(String::as_str) != Some(reservation.state) {
                return Err(format!(
                    "the reservation {id} is kept as {:?}: {reservation:?}",
                    kept.reservations.get(id)
                ));
            }
        }
        if (kept.credits.len(), kept.reservations.len()) != (self.credits.len(), self.reservations.len()) {
            return Err("there are credits or reservations without an event".to_owned());
        }
        if kept.days != self.days {
            return Err(format!("days are kept as {:?}, events say {:?}", kept.days, self.days));
        }
        let named: BTreeSet<&String> = kept.keys.iter().collect();
        let asked: BTreeSet<&String> = self.keyed.iter().filter(|event| self.seen.contains(*event)).collect();
        if named.len() != kept.keys.len() || named != asked {
            return Err(format!("keys name the events {:?}, asked under a key were {asked:?}", kept.keys));
        }
        Ok(())
    }
}

pub(super) fn add(sums: &mut Sums, moved: Sums) {
    sums.0 += moved.0;
    sums.1 += moved.1;
    sums.2 += moved.2;
}
