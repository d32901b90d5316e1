//! The keys that access tokens are signed with: Ed25519, kept sealed, shared by all nodes, replaced in time.
//!
//! A new key is published before it signs, so that services which keep the published keys know it already; an old one
//! stays published for longer than any token it signed is good for.

use std::sync::Arc;

use domain::time::{MICROS_PER_DAY, MICROS_PER_MINUTE, Timestamp};
use ed25519_dalek::SigningKey as Ed25519;
use jsonwebtoken::{DecodingKey, EncodingKey};
use parking_lot::RwLock;
use storage::records::settings;
use storage::records::signing_keys::{self, SigningKey};
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// How long a key signs.
const SIGNS_MICROS: i64 = 30 * MICROS_PER_DAY;
/// How long before its predecessor ends a key is made.
const AHEAD_MICROS: i64 = 2 * MICROS_PER_DAY;
/// How long a key is published after it signed last.
const AFTER_MICROS: i64 = 2 * MICROS_PER_DAY;
/// Nodes learn of another's new key within this; a token that names an unknown key asks at once, but no more often.
const FRESH_MICROS: i64 = MICROS_PER_MINUTE;
const ASK_AGAIN_MICROS: i64 = 5_000_000;
/// Held while a key is made, so that nodes that start together make one.
const LOCK: &str = "signing_keys_made";
/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The keys as this process knows them.
#[derive(Debug, Default)]
pub struct SigningKeys(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    keys: Arc<Vec<KnownKey>>,
    read_at: Option<Timestamp>,
}

/// A key that is ready to sign and to verify.
pub struct KnownKey {
    pub id: String,
    pub public_key: [u8; 32],
    pub created_at: Timestamp,
    pub signs_until: Timestamp,
    pub published_until: Timestamp,
    pub(super) signs: EncodingKey,
    pub(super) verifies: DecodingKey,
}

impl std::fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)
    }
}

/// The key that signs now: the oldest that still does, so that a new one is known everywhere before it signs.
pub(super) async fn current(app: &App) -> Result<(Arc<Vec<KnownKey>>, usize), AppError> {
    let keys = published(app).await?;
    let place = place_of_current(&keys, app.now());
    place
        .map(|place| (keys, place))
        .ok_or_else(|| StorageError::Unavailable("no key to sign with could be made".into()).into())
}

fn place_of_current(keys: &[KnownKey], now: Timestamp) -> Option<usize> {
    let signing = keys.iter().enumerate().filter(|(_, key)| key.signs_until > now);
    signing.min_by_key(|(_, key)| key.signs_until).map(|(place, _)| place)
}

/// Every key that a token may be signed by, the newest first.
pub async fn published(app: &App) -> Result<Arc<Vec<KnownKey>>, AppError> {
    let now = app.now();
    {
        let known = app.signing_keys.0.read();
        if known.read_at.is_some_and(|at| now.since(at).abs() < FRESH_MICROS) {
            return Ok(known.keys.clone());
        }
    }
    let keys = read(app).await?;
    let lasting = keys.iter().map(|key| key.signs_until).max();
    if lasting.is_none_or(|until| is_due(until, now)) {
        make_due(app).await?;
        return read(app).await;
    }
    Ok(keys)
}

/// Whether the last key signs for so short a time that the next must be known already.
fn is_due(signs_until: Timestamp, now: Timestamp) -> bool {
    signs_until <= now.plus_micros(AHEAD_MICROS)
}

/// The key of this name. One that is not known is looked for in the database, though not for every token that names it.
pub(super) async fn find(app: &App, id: &str) -> Result<Option<(Arc<Vec<KnownKey>>, usize)>, AppError> {
    let keys = published(app).await?;
    if let Some(place) = keys.iter().position(|key| key.id == id) {
        return Ok(Some((keys, place)));
    }
    let asked_at = app.signing_keys.0.read().read_at;
    if asked_at.is_some_and(|at| app.now().since(at).abs() < ASK_AGAIN_MICROS) {
        return Ok(None);
    }
    let keys = read(app).await?;
    Ok(keys.iter().position(|key| key.id == id).map(|place| (keys, place)))
}

async fn read(app: &App) -> Result<Arc<Vec<KnownKey>>, AppError> {
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<SigningKey>, AppError> { Ok(signing_keys::published(tx, now)?) };
    let stored = app.database.read("read_signing_keys", read).await?;
    let opened = stored.into_iter().map(|key| open(app, key)).collect::<Result<Vec<_>, _>>()?;
    let keys = Arc::new(opened);
    *app.signing_keys.0.write() = Known { keys: keys.clone(), read_at: Some(now) };
    Ok(keys)
}

fn open(app: &App, key: SigningKey) -> Result<KnownKey, AppError> {
    let secret = app.vault.open(&purpose(&key.id), &key.secret_key)?;
    let pkcs8 = [PKCS8_HEAD.as_slice(), &secret].concat();
    Ok(KnownKey {
        signs: EncodingKey::from_ed_der(&pkcs8),
        verifies: DecodingKey::from_ed_der(&key.public_key),
        id: key.id,
        public_key: key.public_key,
        created_at: key.created_at,
        signs_until: key.signs_until,
        published_until: key.published_until,
    })
}

/// Makes the next key when it is time, and forgets those that no token can name any more.
pub(crate) async fn make_due(app: &App) -> Result<(), AppError> {
    let now = app.now();
    let key = new_key(app, now);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        settings::lock(tx, LOCK, "")?;
        signing_keys::delete_unpublished(tx, now)?;
        let lasting = signing_keys::published(tx, now)?.iter().map(|key| key.signs_until).max();
        if lasting.is_none_or(|until| is_due(until, now)) {
            let mut key = key.clone();
            let begins = lasting.map_or(now, |until| until.max(now));
            key.signs_until = begins.plus_micros(SIGNS_MICROS);
            key.published_until = key.signs_until.plus_micros(AFTER_MICROS);
            signing_keys::insert(tx, &key)?;
        }
        Ok(())
    };
    app.database.write("make_signing_key", write).await
}

fn new_key(app: &App, now: Timestamp) -> SigningKey {
    let mut secret = [0; 32];
    app.entropy.fill(&mut secret);
    let id = format!("{:032x}", app.entropy.bits());
    let public_key = Ed25519::from_bytes(&secret).verifying_key().to_bytes();
    let secret_key = app.vault.seal(&app.entropy, &purpose(&id), &secret);
    SigningKey { id, public_key, secret_key, created_at: now, signs_until: now, published_until: now }
}

fn purpose(id: &str) -> String {
    format!("signing key {id}")
}
