//! Ids in paths. One that cannot be an id names nothing, so it is answered 404 like any other unknown one.

use app::AppError;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::ids::{
    AccountId, EventId, InvitationId, InvoiceId, JobId, KeyId, MailId, ReconciliationId, ReservationId, SessionId,
    UserId, WebhookDeliveryId, WebhookEndpointId,
};
use domain::ledger::Refusal;
use domain::name::Name;

use super::fields::Word;
use crate::problem::Failure;

/// Something that a path names.
pub trait Named: Sized {
    /// `None` when the text cannot be such an id.
    fn read(text: &str) -> Option<Self>;

    /// What is answered when nothing has that id.
    fn unknown(text: &str) -> AppError;
}

/// The only id of a path.
pub struct PathId<T>(pub T);

/// The two ids of a path, in order.
pub struct PathIds<A, B>(pub A, pub B);

/// The three ids of a path, in order.
pub struct PathThreeIds<A, B, C>(pub A, pub B, pub C);

impl<S: Send + Sync, T: Named> FromRequestParts<S> for PathId<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let texts = texts(parts, state).await;
        read(texts.first()).map(Self)
    }
}

impl<S: Send + Sync, A: Named, B: Named> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let texts = texts(parts, state).await;
        Ok(Self(read(texts.first())?, read(texts.get(1))?))
    }
}

impl<S: Send + Sync, A: Named, B: Named, C: Named> FromRequestParts<S> for PathThreeIds<A, B, C> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let texts = texts(parts, state).await;
        Ok(Self(read(texts.first())?, read(texts.get(1))?, read(texts.get(2))?))
    }
}

/// The parts of the path that stand for ids; none when one is not text.
async fn texts<S: Send + Sync>(parts: &mut Parts, state: &S) -> Vec<String> {
    let found = RawPathParams::from_request_parts(parts, state).await;
    found.map(|found| found.iter().map(|(_, text)| text.to_owned()).collect()).unwrap_or_default()
}

fn read<T: Named>(text: Option<&String>) -> Result<T, Failure> {
    let text = text.map_or("", String::as_str);
    T::read(text).ok_or_else(|| T::unknown(text).into())
}

impl Named for AccountId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(_: &str) -> AppError {
        AppError::AccountUnknown
    }
}

impl Named for KeyId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "key", name: shown(text) }
    }
}

impl Named for UserId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "user", name: shown(text) }
    }
}

impl Named for InvitationId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "invitation", name: shown(text) }
    }
}

impl Named for InvoiceId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "invoice", name: shown(text) }
    }
}

impl Named for ReconciliationId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "comparison", name: shown(text) }
    }
}

impl Named for SessionId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "session", name: shown(text) }
    }
}

impl Named for JobId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "job", name: shown(text) }
    }
}

impl Named for WebhookEndpointId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "webhook endpoint", name: shown(text) }
    }
}

impl Named for WebhookDeliveryId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "delivery", name: shown(text) }
    }
}

impl Named for MailId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "mail", name: shown(text) }
    }
}

impl Named for EventId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "event", name: shown(text) }
    }
}

impl Named for ReservationId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn unknown(_: &str) -> AppError {
        Refusal::ReservationUnknown.into()
    }
}

/// A plan or a feature, by its key.
impl Named for Name {
    fn read(text: &str) -> Option<Self> {
        Word::parse(text).ok().map(|word| word.0)
    }

    fn unknown(text: &str) -> AppError {
        AppError::NotFound { what: "name", name: shown(text) }
    }
}

/// So much of a wrong id is said back as helps to see the mistake.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_id_names_nothing() {
        let failure = |text: &str| read::<AccountId>(Some(&text.to_owned())).err().map(|failure| failure.code());
        assert_eq!(failure("acct_00000000000000000000000000"), None);
        assert_eq!(failure("acct_1"), Some("account_unknown"));
        assert_eq!(read::<ReservationId>(None).err().map(|failure| failure.code()), Some("reservation_unknown"));
        assert_eq!(shown("a\u{7}b"), "ab");
    }
}
