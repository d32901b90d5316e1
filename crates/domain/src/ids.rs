//! Typed, prefixed, time-ordered identifiers: `acct_`, `key_`, `evt_`, …
//!
//! An id is 48 bits of milliseconds and 80 random bits, written as 26 characters of Crockford's base 32, so that ids sort
//! by the time they were made. Events and reservations carry their account's id in front of their own.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::plain::Plain;
use crate::time::Timestamp;

/// What an id names, and the prefix that says so.
pub trait Kind {
    const PREFIX: &'static str;
}

/// 128 bits that name one thing of kind `K`.
pub struct Id<K>(u128, PhantomData<fn() -> K>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanVersionKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreditKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MailKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvitationKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditEventKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WebhookEndpointKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WebhookDeliveryKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WebhookMessageKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvoiceKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryEntryKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BillingIntentKind;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReconciliationKind;
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EventKind;
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReservationKind;

impl Kind for AccountKind {
    const PREFIX: &'static str = "acct_";
}
impl Kind for KeyKind {
    const PREFIX: &'static str = "key_";
}
impl Kind for PlanVersionKind {
    const PREFIX: &'static str = "plan_";
}
impl Kind for SubscriptionKind {
    const PREFIX: &'static str = "sub_";
}
impl Kind for JobKind {
    const PREFIX: &'static str = "job_";
}
impl Kind for CreditKind {
    const PREFIX: &'static str = "crd_";
}
impl Kind for MailKind {
    const PREFIX: &'static str = "mail_";
}
impl Kind for UserKind {
    const PREFIX: &'static str = "usr_";
}
impl Kind for SessionKind {
    const PREFIX: &'static str = "ses_";
}
impl Kind for InvitationKind {
    const PREFIX: &'static str = "ivt_";
}
impl Kind for AuditEventKind {
    const PREFIX: &'static str = "aud_";
}
impl Kind for WebhookEndpointKind {
    const PREFIX: &'static str = "whe_";
}
impl Kind for WebhookDeliveryKind {
    const PREFIX: &'static str = "whd_";
}
impl Kind for WebhookMessageKind {
    const PREFIX: &'static str = "msg_";
}
impl Kind for InvoiceKind {
    const PREFIX: &'static str = "inv_";
}
impl Kind for PaymentKind {
    const PREFIX: &'static str = "pay_";
}
impl Kind for HistoryEntryKind {
    const PREFIX: &'static str = "sbh_";
}
impl Kind for BillingIntentKind {
    const PREFIX: &'static str = "bin_";
}
impl Kind for ReconciliationKind {
    const PREFIX: &'static str = "rec_";
}
impl Kind for EventKind {
    const PREFIX: &'static str = "evt_";
}
impl Kind for ReservationKind {
    const PREFIX: &'static str = "rsv_";
}

pub type AccountId = Id<AccountKind>;
pub type KeyId = Id<KeyKind>;
pub type PlanVersionId = Id<PlanVersionKind>;
pub type SubscriptionId = Id<SubscriptionKind>;
pub type JobId = Id<JobKind>;
pub type CreditId = Id<CreditKind>;
pub type MailId = Id<MailKind>;
pub type UserId = Id<UserKind>;
pub type SessionId = Id<SessionKind>;
pub type InvitationId = Id<InvitationKind>;
pub type AuditEventId = Id<AuditEventKind>;
pub type WebhookEndpointId = Id<WebhookEndpointKind>;
pub type WebhookDeliveryId = Id<WebhookDeliveryKind>;
pub type WebhookMessageId = Id<WebhookMessageKind>;
pub type InvoiceId = Id<InvoiceKind>;
pub type PaymentId = Id<PaymentKind>;
pub type HistoryEntryId = Id<HistoryEntryKind>;
pub type BillingIntentId = Id<BillingIntentKind>;
pub type ReconciliationId = Id<ReconciliationKind>;
pub type EventId = OwnedId<EventKind>;
pub type ReservationId = OwnedId<ReservationKind>;

impl<K: Kind> Id<K> {
    /// `random` gives the lower 80 bits; the time is kept to the millisecond.
    pub fn new(at: Timestamp, random: u128) -> Self {
        let millis = (at.micros() / 1000) as u128;
        Self(((millis & ((1 << 48) - 1)) << 80) | (random & ((1 << 80) - 1)), PhantomData)
    }

    pub fn bits(self) -> u128 {
        self.0
    }

    pub fn from_bits(bits: u128) -> Self {
        Self(bits, PhantomData)
    }

    /// Reads `prefix_` and 26 characters. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text.strip_prefix(K::PREFIX)?).map(Self::from_bits)
    }
}

/// The id of something that belongs to one account for ever; the account is part of it.
pub struct OwnedId<K> {
    pub account: AccountId,
    own: u128,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> OwnedId<K> {
    pub fn new(account: AccountId, at: Timestamp, random: u128) -> Self {
        Self { account, own: Id::<K>::new(at, random).bits(), kind: PhantomData }
    }

    pub fn from_own(account: AccountId, own: u128) -> Self {
        Self { account, own, kind: PhantomData }
    }

    /// When it was made, to the millisecond.
    pub fn made_at(self) -> Timestamp {
        Timestamp::from_micros(((self.own >> 80) as i64).saturating_mul(1000))
    }

    /// The part that is not the account's.
    pub fn own(self) -> u128 {
        self.own
    }

    /// The own part as 26 characters: what the ledger's tables store beside the account.
    pub fn own_text(self) -> String {
        Letters::of(self.own).as_str().to_owned()
    }

    pub fn from_own_text(account: AccountId, text: &str) -> Option<Self> {
        decode(text).map(|own| Self::from_own(account, own))
    }

    /// Reads `prefix_` and twice 26 characters. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (account, own) = text.strip_prefix(K::PREFIX)?.split_at_checked(26)?;
        Some(Self::from_own(AccountId::from_bits(decode(account)?), decode(own)?))
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The value of each letter; 255 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// 128 bits as 26 letters. Ids are written several times for every request, so this neither allocates nor divides.
struct Letters([u8; 26]);

impl Letters {
    fn of(bits: u128) -> Self {
        let mut letters = [0; 26];
        // Twelve letters are 60 bits, which a word holds.
        let words = [(0, 2, bits >> 120), (2, 12, bits >> 60), (14, 12, bits)];
        for (from, count, word) in words {
            let mut rest = word as u64;
            for letter in letters[from..from + count].iter_mut().rev() {
                *letter = ALPHABET[(rest & 31) as usize];
                rest >>= 5;
            }
        }
        Self(letters)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |bits, byte| {
        let value = VALUES[usize::from(byte)];
        (value != u8::MAX).then(|| (bits << 5) | u128::from(value))
    })
}

impl<K: Kind> Plain for Id<K> {
    fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result {
        text.write_str(K::PREFIX)?;
        text.write_str(Letters::of(self.0).as_str())
    }
}

impl<K: Kind> Plain for OwnedId<K> {
    fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result {
        text.write_str(K::PREFIX)?;
        text.write_str(Letters::of(self.account.bits()).as_str())?;
        text.write_str(Letters::of(self.own).as_str())
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

impl<K: Kind> fmt::Display for OwnedId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

// Written out because a derive would ask the same of `K`, which is only a label.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<K> Clone for OwnedId<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for OwnedId<K> {}
impl<K> PartialEq for OwnedId<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.account, self.own) == (other.account, other.own)
    }
}
impl<K> Eq for OwnedId<K> {}
impl<K> PartialOrd for OwnedId<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for OwnedId<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.account, self.own).cmp(&(other.account, other.own))
    }
}
impl<K> Hash for OwnedId<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.account, self.own).hash(state);
    }
}
impl<K: Kind> fmt::Debug for OwnedId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let account = AccountId::new(Timestamp::from_seconds(1_800_000_000), 7);
        assert_eq!(KeyId::parse(&account.to_string()), None);
        assert_eq!(AccountId::parse("acct_"), None);
        assert_eq!(AccountId::parse("acct_8zzzzzzzzzzzzzzzzzzzzzzzzz"), None);
        assert_eq!(EventId::parse("evt_ééééééééééééééééééééééééé"), None);
    }

    proptest! {
        #[test]
        fn ids_read_back_and_sort_by_time(bits in any::<u128>(), a in 0i64..1 << 50, b in 0i64..1 << 50, random in any::<u128>()) {
            let id = AccountId::from_bits(bits);
            prop_assert_eq!(AccountId::parse(&id.to_string()), Some(id));
            let event = EventId::new(id, Timestamp::from_micros(a), random);
            prop_assert_eq!(EventId::parse(&event.to_string()), Some(event));
            let (first, second) = (AccountId::new(Timestamp::from_micros(a), random), AccountId::new(Timestamp::from_micros(b), random));
            prop_assert_eq!(first.to_string().cmp(&second.to_string()), first.cmp(&second));
        }
    }
}
