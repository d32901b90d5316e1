//! The second factor: codes of an authenticator app (RFC 6238), and recovery codes for whoever has lost it.
//!
//! A code is good for half a minute before and after its own, and once: the last step that was used is kept. Secrets are
//! kept sealed, recovery codes as hashes.

use domain::catalog::RateLimit;
use domain::ids::UserId;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::json;
use storage::records::authenticators::{self, Authenticator};
use storage::records::users::{self, User};
use storage::{Entropy, StorageError, Tx};
use totp_rs::{Algorithm, Builder, Totp};

use super::letters::Letter;
use super::links;
use super::recent_sign_in::must_be_recent;
use super::sessions::Device;
use crate::audit::{self, Audited};
use crate::rate_limits::Identity;
use crate::vault::Vault;
use crate::{App, AppError, Caller, rate_limits};

const SECRET_BYTES: usize = 20;
const STEP_SECONDS: u64 = 30;
const RECOVERY_CODES: usize = 10;
/// 80 bits, so that a stolen hash is of no use.
const RECOVERY_LETTERS: usize = 16;

/// What a person proves their second factor by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Six digits of the authenticator app.
    Code(String),
    RecoveryCode(String),
}

/// A secret to be put into an authenticator app. Shown this once.
pub struct Enrolment {
    /// Base 32, for typing.
    pub secret: String,
    pub url: String,
    /// The same as a picture.
    pub qr_svg: String,
}

/// Guesses at one user's codes, however many challenges they come with. With three codes good at any time, these take
/// months to hit one.
const GUESSES: RateLimit = RateLimit { requests: 20, window_seconds: 600 };

/// Holds guesses at a user's codes to the catalog's rate `2fa`, or to a rate of our own where it has none.
pub(super) async fn hold_guesses(app: &App, user: &str) -> Result<(), AppError> {
    let guessed = [Identity::SignInName(format!("totp:{user}"))];
    rate_limits::hold_anyone_or(app, "2fa", &guessed, GUESSES).await.map(|_| ())
}

/// Whether a sign-in of this user asks for a code.
pub(super) async fn is_enabled(app: &App, user: UserId) -> Result<bool, AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<bool, AppError> { Ok(is_enabled_in(tx, user)?) };
    app.database.read("has_second_factor", read).await
}

pub(super) fn is_enabled_in(tx: &mut Tx<'_>, user: UserId) -> Result<bool, StorageError> {
    Ok(authenticators::get(tx, user)?.is_some_and(|authenticator| authenticator.confirmed_at.is_some()))
}

/// Takes the second factor and its recovery codes away.
pub(super) fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StorageError> {
    authenticators::delete(tx, user)
}

/// Makes a secret. Nobody is asked for codes until one was confirmed.
///
/// # Errors
/// [`AppError::TotpEnabled`] when there is a confirmed one.
pub async fn enrol_totp(app: &App, caller: &Caller) -> Result<Enrolment, AppError> {
    let person = caller.person()?;
    must_be_recent(app, caller)?;
    let user = person.user;
    let mut secret = [0; SECRET_BYTES];
    app.entropy.fill(&mut secret);
    let sealed = app.vault.seal(&app.entropy, &purpose(user), &secret);
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<User, AppError> {
        if !authenticators::put(tx, user, &sealed, now)? {
            return Err(AppError::TotpEnabled);
        }
        users::by_id(tx, user)?.ok_or(AppError::Unauthenticated)
    };
    let user = app.database.write("enrol_totp", write).await?;
    let product = app.plans().await?.catalog.product.clone();
    let totp = totp(&secret, Some((&product, &user.email)))?;
    let url = totp.to_url().map_err(StorageError::unexpected)?;
    let qr_svg = qr_svg(&url)?;
    Ok(Enrolment { secret: totp.secret().to_base32(), url, qr_svg })
}

/// From now on a sign-in asks for a code. Answers the recovery codes, which are shown this once.
///
/// # Errors
/// [`AppError::CodeWrong`]; [`AppError::NotFound`] when nothing was enrolled.
pub async fn confirm_totp(app: &App, caller: &Caller, code: &str, device: &Device) -> Result<Vec<String>, AppError> {
    let person = caller.person()?;
    must_be_recent(app, caller)?;
    hold_guesses(app, &person.user.to_string()).await?;
    let (user, now, vault, code) = (person.user, app.now(), app.vault.clone(), code.to_owned());
    let codes = recovery_codes(&app.entropy);
    let hashes: Vec<[u8; 32]> = codes.iter().map(|code| hash_of(code)).collect();
    let (prepared, event) = (app.clone(), Audited::new(app, "user.totp_enabled", Some(device)));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let nothing = || AppError::NotFound { what: "authenticator", name: user.to_string() };
        let authenticator = authenticators::get(tx, user)?.ok_or_else(nothing)?;
        if authenticator.confirmed_at.is_some() {
            return Err(AppError::TotpEnabled);
        }
        if !is_right(tx, &vault, &authenticator, &code, now)? {
            return Err(AppError::CodeWrong);
        }
        authenticators::confirm(tx, user, now)?;
        authenticators::replace_recovery_codes(tx, user, &hashes)?;
        let person = users::by_id(tx, user)?.ok_or(AppError::Unauthenticated)?;
        Letter::two_factor(&prepared, &person, true).insert(tx)?;
        Ok(audit::note(tx, &event, None, user, user, json!({}))?)
    };
    app.database.write("confirm_totp", write).await?;
    Ok(codes)
}

/// A sign-in asks for no code any more.
///
/// # Errors
/// [`AppError::CodeWrong`].
pub async fn disable_totp(app: &App, caller: &Caller, proof: Proof, device: &Device) -> Result<(), AppError> {
    let (user, event) = (caller.person()?.user, Audited::new(app, "user.totp_disabled", Some(device)));
    let prepared = app.clone();
    with_proof(app, caller, proof, move |tx, person| {
        authenticators::delete(tx, user)?;
        Letter::two_factor(&prepared, person, false).insert(tx)?;
        Ok(audit::note(tx, &event, None, user, user, json!({}))?)
    })
    .await
}

/// Puts ten new recovery codes in the place of those there were. Shown this once.
pub async fn renew_recovery_codes(
    app: &App,
    caller: &Caller,
    proof: Proof,
    device: &Device,
) -> Result<Vec<String>, AppError> {
    let (user, event) = (caller.person()?.user, Audited::new(app, "user.recovery_codes_renewed", Some(device)));
    let codes = recovery_codes(&app.entropy);
    let hashes: Vec<[u8; 32]> = codes.iter().map(|code| hash_of(code)).collect();
    with_proof(app, caller, proof, move |tx, _| {
        authenticators::replace_recovery_codes(tx, user, &hashes)?;
        Ok(audit::note(tx, &event, None, user, user, json!({}))?)
    })
    .await?;
    Ok(codes)
}

/// How many recovery codes are left; `None` without a second factor.
pub async fn recovery_codes_left(app: &App, caller: &Caller) -> Result<Option<i64>, AppError> {
    let user = caller.person()?.user;
    let read = move |tx: &mut Tx<'_>| -> Result<Option<i64>, AppError> {
        let is_enabled = is_enabled_in(tx, user)?;
        is_enabled.then(|| Ok(authenticators::recovery_codes_left(tx, user)?)).transpose()
    };
    app.database.read("count_recovery_codes", read).await
}

async fn with_proof(
    app: &App,
    caller: &Caller,
    proof: Proof,
    then: impl Fn(&mut Tx<'_>, &User) -> Result<(), AppError> + Send + 'static,
) -> Result<(), AppError> {
    let person = caller.person()?;
    must_be_recent(app, caller)?;
    hold_guesses(app, &person.user.to_string()).await?;
    let (user, checked) = (person.user, Checked::new(app, proof));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let person = users::by_id(tx, user)?.ok_or(AppError::Unauthenticated)?;
        if !checked.is_right(tx, &person)? {
            return Err(AppError::CodeWrong);
        }
        then(tx, &person)
    };
    app.database.write("change_second_factor", write).await
}

/// A proof that is about to be checked in a transaction.
#[derive(Clone)]
pub(super) struct Checked {
    app: App,
    proof: Proof,
    now: Timestamp,
}

impl Checked {
    pub fn new(app: &App, proof: Proof) -> Self {
        Self { app: app.clone(), proof, now: app.now() }
    }

    /// Uses the proof up: a step of the app, or a recovery code, whose owner is told how many are left.
    pub fn is_right(&self, tx: &mut Tx<'_>, user: &User) -> Result<bool, AppError> {
        let found = authenticators::get(tx, user.id)?;
        let Some(authenticator) = found.filter(|found| found.confirmed_at.is_some()) else { return Ok(false) };
        match &self.proof {
            Proof::Code(code) => Ok(is_right(tx, &self.app.vault, &authenticator, code, self.now)?),
            Proof::RecoveryCode(code) => {
                if !authenticators::use_recovery_code(tx, user.id, &hash_of(code), self.now)? {
                    return Ok(false);
                }
                let left = authenticators::recovery_codes_left(tx, user.id)?;
                Letter::recovery_code_used(&self.app, user, u32::try_from(left).unwrap_or(0)).insert(tx)?;
                Ok(true)
            }
        }
    }
}

/// Whether a code is the app's right now and was not used before; then it is used.
fn is_right(
    tx: &mut Tx<'_>,
    vault: &Vault,
    authenticator: &Authenticator,
    code: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let secret = vault.open(&purpose(authenticator.user), &authenticator.secret)?;
    let seconds = u64::try_from(now.micros() / MICROS_PER_SECOND).unwrap_or(0);
    let code: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    let found = totp(&secret, None).ok().and_then(|totp| totp.check(&code, seconds));
    match found.and_then(|step| i64::try_from(step).ok()) {
        Some(step) => authenticators::use_step(tx, authenticator.user, step),
        None => Ok(false),
    }
}

fn totp(secret: &[u8], shown: Option<(&str, &str)>) -> Result<Totp, AppError> {
    let plain = |text: &str| text.replace(':', " ");
    let builder = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP_SECONDS)
        .with_secret(secret.to_vec());
    let builder = match shown {
        Some((product, email)) => builder.with_issuer(Some(plain(product))).with_account_name(plain(email)),
        None => builder,
    };
    Ok(builder.build().map_err(StorageError::unexpected)?)
}

fn purpose(user: UserId) -> String {
    format!("authenticator {user}")
}

fn recovery_codes(entropy: &Entropy) -> Vec<String> {
    (0..RECOVERY_CODES).map(|_| recovery_code(entropy)).collect()
}

/// Four groups of four letters and digits that are not easily mistaken.
fn recovery_code(entropy: &Entropy) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; RECOVERY_LETTERS];
    entropy.fill(&mut random);
    let letters: Vec<char> = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// However it is typed.
fn hash_of(code: &str) -> [u8; 32] {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    links::hash(&plain)
}

/// Black on white whatever the page's colours, so that every camera reads it.
fn qr_svg(text: &str) -> Result<String, AppError> {
    const BORDER: i32 = 4;
    let code = QrCode::encode_text(text, QrCodeEcc::Medium)
        .map_err(|_| StorageError::Unexpected("the product's name is too long for a QR code".into()))?;
    let size = code.size() + 2 * BORDER;
    let places = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
    let dark: String = places
        .filter(|(x, y)| code.get_module(*x, *y))
        .map(|(x, y)| format!("M{} {}h1v1h-1z", x + BORDER, y + BORDER))
        .collect();
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" role=\"img\" \
        aria-label=\"QR code\"><path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path fill=\"#000\" d=\"{dark}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret and the codes of RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let totp = totp(b"12345678901234567890", None).unwrap();
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(totp.check(code, seconds), Some(seconds / STEP_SECONDS), "{seconds}");
            assert_eq!(totp.check(code, seconds + 2 * STEP_SECONDS), None);
        }
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let entropy = Entropy::system();
        let codes = recovery_codes(&entropy);
        assert_eq!(codes.len(), 10);
        let code = &codes[0];
        assert_eq!(code.len(), 19);
        assert_eq!(hash_of(code), hash_of(&code.to_uppercase().replace('-', " ")));
        assert_ne!(hash_of(code), hash_of(&codes[1]));
    }

    #[test]
    fn the_qr_code_is_a_picture() {
        let svg = qr_svg("otpauth://totp/Tollway:ada@example.com?secret=ABC").unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("h1v1h-1z"));
    }
}
