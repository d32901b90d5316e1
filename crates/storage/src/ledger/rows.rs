//! How the ledger's rows keep amounts, postings, draws and scopes: compact JSON, written and read here alone.

use domain::catalog::LimitScope;
use domain::ids::{AccountId, CreditId, EventId, ReservationId};
use domain::json::push_text;
use domain::ledger::{Amount, Draw, OnExpiry, Posting, Reservation, ReservationState, Scopes};
use domain::name::Name;
use domain::time::Timestamp;
use domain::windows::WindowKind;
use serde::{Deserialize, Serialize};

use crate::StorageError;
use crate::value::Row;

/// Marks of an event, as bits of its `flags`.
pub(crate) const LATE: i64 = 1;
pub(crate) const ESTIMATED: i64 = 2;
pub(crate) const IGNORED: i64 = 4;
/// It went past a limit that only warns or observes, or told of work already done.
pub(crate) const OVER_LIMIT: i64 = 8;

/// scope, scope id, meter, window, start, used, reserved, credited
#[derive(Deserialize)]
struct PostingRow<'a>(
    #[serde(borrow)] &'a str,
    #[serde(borrow)] std::borrow::Cow<'a, str>,
    #[serde(borrow)] std::borrow::Cow<'a, str>,
    #[serde(borrow)] &'a str,
    i64,
    i64,
    i64,
    i64,
);

pub(crate) fn encode_postings(postings: &[Posting]) -> String {
    encode_rows(postings, 160, |text, posting| {
        let place = &posting.place;
        for field in [place.scope.as_str(), place.scope_id_text(), place.meter.as_str(), place.window.as_str()] {
            push_text(text, field);
            text.push(',');
        }
        for number in [place.start.micros(), posting.used, posting.reserved] {
            push_integer(text, number);
            text.push(',');
        }
        push_integer(text, posting.credited);
    })
}

pub fn decode_postings(text: &str) -> Result<Vec<Posting>, StorageError> {
    let rows: Vec<PostingRow<'_>> = read(text)?;
    rows.into_iter()
        .map(|PostingRow(scope, scope_id, meter, window, start, used, reserved, credited)| {
            let place = place(scope, &scope_id, &meter, window, start)?;
            Ok(Posting { place, used, reserved, credited })
        })
        .collect()
}

/// A place from its columns.
pub(crate) fn place(
    scope: &str,
    scope_id: &str,
    meter: &str,
    window: &str,
    start: i64,
) -> Result<domain::ledger::Place, StorageError> {
    Ok(domain::ledger::Place {
        scope: LimitScope::parse(scope).ok_or_else(|| unreadable("scope", scope))?,
        scope_id: (!scope_id.is_empty()).then(|| Name::new(scope_id)),
        meter: Name::new(meter),
        window: WindowKind::parse(window).ok_or_else(|| unreadable("window", window))?,
        start: Timestamp::from_micros(start),
    })
}

/// A place from a row of `balances`.
pub(crate) fn place_of(row: &Row) -> Result<domain::ledger::Place, StorageError> {
    place(
        row.text("scope")?,
        row.text("scope_id")?,
        row.text("meter")?,
        row.text("window_kind")?,
        row.integer("window_start")?,
    )
}

pub(crate) fn encode_amounts(amounts: &[Amount]) -> String {
    encode_rows(amounts, 48, |text, amount| {
        push_text(text, amount.meter.as_str());
        text.push(',');
        push_integer(text, amount.amount);
    })
}

pub fn decode_amounts(text: &str) -> Result<Vec<Amount>, StorageError> {
    let rows: Vec<(Name, i64)> = read(text)?;
    Ok(rows.into_iter().map(|(meter, amount)| Amount { meter, amount }).collect())
}

pub(crate) fn encode_draws(draws: &[Draw]) -> String {
    encode_rows(draws, 80, |text, draw| {
        push_text(text, &draw.credit.to_string());
        text.push(',');
        push_text(text, draw.meter.as_str());
        text.push(',');
        push_integer(text, draw.amount);
    })
}

pub fn decode_draws(text: &str) -> Result<Vec<Draw>, StorageError> {
    let rows: Vec<(String, Name, i64)> = read(text)?;
    rows.into_iter()
        .map(|(credit, meter, amount)| {
            let credit = CreditId::parse(&credit).ok_or_else(|| unreadable("credit", &credit))?;
            Ok(Draw { credit, meter, amount })
        })
        .collect()
}

/// member, key, end user
pub(crate) fn encode_scopes(scopes: &Scopes) -> String {
    json(&(&scopes.member, &scopes.key, &scopes.end_user))
}

pub(crate) fn decode_scopes(text: &str) -> Result<Scopes, StorageError> {
    let (member, key, end_user) = read(text)?;
    Ok(Scopes { member, key, end_user })
}

/// A reservation's columns, as either engine reads them.
pub(crate) struct ReservationRow<'a> {
    pub id: &'a str,
    pub state: &'a str,
    pub made_at: i64,
    pub expires_at: i64,
    pub on_expiry: &'a str,
    pub scopes: &'a str,
    pub amounts: &'a str,
    pub holds: &'a str,
    pub draws: &'a str,
    pub settled_by: Option<&'a str>,
}

pub(crate) fn decode_reservation(account: AccountId, row: &ReservationRow<'_>) -> Result<Reservation, StorageError> {
    let settled_by = row
        .settled_by
        .map(|text| EventId::from_own_text(account, text).ok_or_else(|| unreadable("settled_by", text)))
        .transpose()?;
    Ok(Reservation {
        id: ReservationId::from_own_text(account, row.id).ok_or_else(|| unreadable("reservation", row.id))?,
        state: ReservationState::parse(row.state).ok_or_else(|| unreadable("state", row.state))?,
        made_at: Timestamp::from_micros(row.made_at),
        expires_at: Timestamp::from_micros(row.expires_at),
        on_expiry: OnExpiry::parse(row.on_expiry).ok_or_else(|| unreadable("on_expiry", row.on_expiry))?,
        scopes: decode_scopes(row.scopes)?,
        amounts: decode_amounts(row.amounts)?,
        holds: decode_postings(row.holds)?,
        draws: decode_draws(row.draws)?,
        settled_by,
    })
}

/// A list of lists, each about so long, that `push_fields` fills: what a serializer makes of them, in one piece of memory.
fn encode_rows<T>(rows: &[T], length: usize, push_fields: impl Fn(&mut String, &T)) -> String {
    let mut text = String::with_capacity(2 + rows.len() * length);
    text.push('[');
    for (place, row) in rows.iter().enumerate() {
        text.push_str(if place == 0 { "[" } else { ",[" });
        push_fields(&mut text, row);
        text.push(']');
    }
    text.push(']');
    text
}

fn push_integer(text: &mut String, number: i64) {
    text.push_str(itoa::Buffer::new().format(number));
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names and integers always serialize")
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StorageError> {
    serde_json::from_str(text)
        .map_err(|error| StorageError::Unexpected(format!("a ledger row cannot be read: {error}")))
}

fn unreadable(what: &str, text: &str) -> StorageError {
    StorageError::Unexpected(format!("a ledger row has the {what} {text:?}, which cannot be read"))
}

/// Whether an event's marks say that it counts in a later window than it occurred in.
pub fn is_late(flags: i64) -> bool {
    flags & LATE != 0
}

/// Whether an event's marks say that it passed a limit.
pub fn is_over_limit(flags: i64) -> bool {
    flags & OVER_LIMIT != 0
}

/// The marks of an event as one integer.
pub(crate) fn flags(event: &domain::ledger::Event, over_limit: bool) -> i64 {
    let marks = [(event.late, LATE), (event.estimated, ESTIMATED), (event.ignored, IGNORED), (over_limit, OVER_LIMIT)];
    marks.into_iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names with everything that JSON escapes or might, and the ends of the integers.
    #[test]
    fn rows_are_written_as_a_serializer_writes_them_and_are_read_back() {
        let mut names: Vec<String> = (0..=0x2029).filter_map(char::from_u32).map(|odd| format!("a{odd}")).collect();
        names.extend(
            ["", "requests", "\"quoted\"", "back\\slash", "\u{1f980}\u{10ffff}", "[1,\"x\"]"].map(str::to_owned),
        );
        let numbers = [0, 1, -1, 9, 10, 1_700_000_000_000_000, i64::MAX, i64::MIN];
        let (mut amounts, mut postings, mut draws) = (Vec::new(), Vec::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            let number = |more: usize| numbers[(place + more) % numbers.len()];
            let scope = [LimitScope::Account, LimitScope::Member, LimitScope::Key, LimitScope::EndUser][place % 4];
            let meter = Name::new(name);
            amounts.push(Amount { meter: meter.clone(), amount: number(0) });
            let credit = CreditId::from_bits(place as u128);
            draws.push(Draw { credit, meter: meter.clone(), amount: number(1) });
            let place = domain::ledger::Place {
                start: Timestamp::from_micros(number(2)),
                scope,
                window: WindowKind::ALL[place % 5],
                meter: names[names.len() - 1 - place].as_str().into(),
                scope_id: (!name.is_empty()).then_some(meter),
            };
            postings.push(Posting { place, used: number(3), reserved: number(4), credited: number(5) });
        }
        for count in [0, 1, 2, names.len()] {
            let (amounts, postings, draws) = (&amounts[..count], &postings[..count], &draws[..count]);
            let of_amount = |row: &Amount| (row.meter.to_string(), row.amount);
            let of_draw = |row: &Draw| (row.credit.to_string(), row.meter.to_string(), row.amount);
            let of_posting = |row: &Posting| {
                let Posting { place, used, reserved, credited } = row;
                let whose = (place.scope.as_str(), place.scope_id_text().to_owned(), place.meter.to_string());
                (whose.0, whose.1, whose.2, place.window.as_str(), place.start.micros(), *used, *reserved, *credited)
            };
            assert_eq!(encode_amounts(amounts), json(&amounts.iter().map(of_amount).collect::<Vec<_>>()));
            assert_eq!(encode_draws(draws), json(&draws.iter().map(of_draw).collect::<Vec<_>>()));
            assert_eq!(encode_postings(postings), json(&postings.iter().map(of_posting).collect::<Vec<_>>()));
            assert_eq!(decode_amounts(&encode_amounts(amounts)).unwrap(), amounts);
            assert_eq!(decode_draws(&encode_draws(draws)).unwrap(), draws);
            assert_eq!(decode_postings(&encode_postings(postings)).unwrap(), postings);
        }
    }
}
