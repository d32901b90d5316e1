//! Registers a person: the user, their personal account on the default plan, and the mail that verifies the address, all
//! in one transaction.
//!
//! In private mode every address is answered the same, in the same time: the password is hashed either way, and what comes
//! of it is decided by a job and told in a mail.

use domain::catalog::{Interval, PlanPrice};
use domain::ids::AccountId;
use domain::name::Name;
use domain::permissions::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use storage::records::accounts::{self, Account, AccountStatus};
use storage::records::jobs;
use storage::records::members::{self, Member};
use storage::records::sessions::SessionOf;
use storage::records::users::{self, AcceptedTerms, User, UserStatus};
use storage::records::wanted_plans::{self, WantedPlan};
use storage::{StorageError, Tx};

use super::letters::Letter;
use super::links::NewToken;
use super::register_invited::register_invited;
use super::sessions::{Device, Keep, NewSession, SignedIn, signed_in};
use super::settings::{Registration, Unverified};
use crate::accounts::fields;
use crate::audit::{self, Audited};
use crate::billing::Purchase;
use crate::billing::checkout::checkout_of;
use crate::rate_limits::Identity;
use crate::teams::seats::SeatsChanged;
use crate::{App, AppError, rate_limits};

const USERNAME_LENGTHS: std::ops::RangeInclusive<usize> = 3..=32;
const LONGEST_TERMS_VERSION: usize = 100;
/// The job that a private registration leaves behind.
pub const REGISTER_PRIVATELY: &str = "register_privately";
const SEALED_FOR: &str = "registration";

/// Somebody who wants to register.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Registrant {
    pub email: String,
    pub password: String,
    /// Without one: what stands before the `@`.
    pub name: Option<String>,
    pub username: Option<String>,
    /// What they mean to buy; kept for checkout.
    pub wanted: Option<(Name, Interval)>,
    /// The version of the terms that they accepted.
    pub terms: Option<String>,
    /// The secret of the link that they were invited by; then the address may be left empty.
    pub invitation: Option<String>,
}

/// What came of a registration.
pub enum Registered {
    SignedIn(Box<SignedIn>),
    /// What comes of it is told by mail.
    Told,
    /// The address must be verified before the first sign-in.
    ToVerify,
}

/// Registers somebody.
///
/// # Errors
/// [`AppError::EmailTaken`] in instant mode, [`AppError::Taken`] for a username, [`AppError::RegistrationClosed`], and
/// what is wrong with a field.
pub async fn register(app: &App, registrant: Registrant, keep: Keep, device: &Device) -> Result<Registered, AppError> {
    if let Some(secret) = registrant.invitation.clone() {
        let signed_in = register_invited(app, registrant, &secret, (keep, device)).await?;
        return Ok(Registered::SignedIn(Box::new(signed_in)));
    }
    let mode = app.settings.people.registration;
    if mode == Registration::Closed {
        return Err(AppError::RegistrationClosed);
    }
    check(app, &registrant).await?;
    rate_limits::hold_anyone(app, "register", &[Identity::SignInName(registrant.email.clone())]).await?;
    let password_hash = app.passwords.hash(&app.entropy, &registrant.password).await?;
    let newcomer = Newcomer::new(registrant, password_hash, device);
    if mode == Registration::Private {
        leave_to_job(app, &newcomer).await?;
        return Ok(Registered::Told);
    }
    let may_sign_in = app.settings.people.unverified != Unverified::MayNothing;
    let prepared = Prepared::new(app, &newcomer).await?;
    let (user, account, wanted) = (prepared.user.clone(), prepared.account, prepared.wanted.clone());
    let session = NewSession::new(app, SessionOf::User(user.id), "password".into(), device, keep);
    let begun = session.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        if !prepared.insert(tx)? {
            return Err(taken(tx, &prepared.user)?);
        }
        if may_sign_in { Ok(begun.insert(tx)?) } else { Ok(()) }
    };
    app.database.write("register", write).await?;
    if !may_sign_in {
        return Ok(Registered::ToVerify);
    }
    let mut signed_in = signed_in(app, user, Some((account, Role::Owner)), session).await?;
    if app.settings.people.unverified == Unverified::MayUse {
        signed_in.checkout_url = checkout_url(app, account, wanted).await;
    }
    Ok(Registered::SignedIn(Box::new(signed_in)))
}

/// Where the plan that somebody chose is paid for. Whoever has registered has registered, also while nothing can be sold:
/// the plan stays remembered, and checkout is asked for later.
async fn checkout_url(app: &App, account: AccountId, wanted: Option<WantedPlan>) -> Option<String> {
    let WantedPlan { plan, interval } = wanted?;
    let purchase = Purchase { plan: plan.to_string(), interval, success_url: None, cancel_url: None };
    match checkout_of(app, account, &purchase).await {
        Ok(checkout) => Some(checkout.url),
        Err(AppError::SellingNotSetUp | AppError::PlanNotSold { .. }) => None,
        Err(error) => {
            tracing::warn!(%account, %error, "a plan that was chosen at sign-up could not be put up for payment");
            None
        }
    }
}

/// Which of the two unique values is in the way.
pub(super) fn taken(tx: &mut Tx<'_>, user: &User) -> Result<AppError, StorageError> {
    if users::by_email(tx, &user.email)?.is_some() {
        return Ok(AppError::EmailTaken);
    }
    Ok(AppError::Taken { field: "username", value: user.username.clone().unwrap_or_default() })
}

pub(super) async fn check(app: &App, registrant: &Registrant) -> Result<(), AppError> {
    fields::email("email", &registrant.email)?;
    registrant.name.as_deref().map(fields::name).transpose()?;
    registrant.username.as_deref().map(username).transpose()?;
    let terms = registrant.terms.as_deref();
    terms.map(|version| fields::plain_text("terms", version, LONGEST_TERMS_VERSION)).transpose()?;
    let known: Vec<&str> =
        [Some(registrant.email.as_str()), registrant.name.as_deref(), registrant.username.as_deref()]
            .into_iter()
            .flatten()
            .collect();
    app.settings.people.password.check("password", &registrant.password, &known)?;
    match &registrant.wanted {
        Some((plan, interval)) => must_be_sold(app, plan, *interval).await,
        None => Ok(()),
    }
}

/// A plan that somebody chooses at sign-up must be one of the list; a free one is every account's anyway.
async fn must_be_sold(app: &App, plan: &Name, interval: Interval) -> Result<(), AppError> {
    let plans = app.plans().await?;
    let sold = plans.catalog.plans.get(plan).filter(|plan| plan.active);
    let sold = sold.ok_or_else(|| AppError::NotFound { what: "plan", name: plan.to_string() })?;
    match &sold.price {
        PlanPrice::Free => Ok(()),
        PlanPrice::Paid { by_interval, .. } if by_interval.contains_key(&interval) => Ok(()),
        PlanPrice::Paid { .. } => {
            let message = format!("The plan {plan} has no {} price; see the list of plans.", interval.as_str());
            Err(AppError::invalid("interval", message))
        }
        PlanPrice::Custom => {
            Err(AppError::invalid("plan", format!("The plan {plan} is not sold here; ask for an offer.")))
        }
    }
}

/// Letters, digits, `.`, `_` and `-`: never mistaken for an address.
fn username(name: &str) -> Result<(), AppError> {
    let is_plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    if is_plain && USERNAME_LENGTHS.contains(&name.len()) {
        return Ok(());
    }
    let message = "A username has 3 to 32 letters, digits, dots, dashes or underscores.";
    Err(AppError::invalid("username", message))
}

/// Somebody who may register, as far as could be told without looking them up. Kept by the job of a private registration.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Newcomer {
    pub email: String,
    pub name: String,
    pub username: Option<String>,
    pub password_hash: Option<String>,
    pub email_is_verified: bool,
    wanted: Option<(String, String)>,
    terms: Option<String>,
    address: String,
}

impl Newcomer {
    fn new(registrant: Registrant, password_hash: String, device: &Device) -> Self {
        let Registrant { email, name, username, wanted, terms, .. } = registrant;
        Self {
            name: name.unwrap_or_else(|| name_of(&email)),
            email,
            username,
            password_hash: Some(password_hash),
            email_is_verified: false,
            wanted: wanted.map(|(plan, interval)| (plan.to_string(), interval.as_str().to_owned())),
            terms,
            address: device.address.clone(),
        }
    }

    /// Somebody who follows a link that was mailed to their address.
    pub fn invited(registrant: Registrant, password_hash: String, device: &Device) -> Self {
        Self { email_is_verified: true, ..Self::new(registrant, password_hash, device) }
    }

    /// Somebody whose address another provider has verified, and who has no password here.
    pub fn by_provider(email: String, name: Option<String>, device: &Device) -> Self {
        let name = name.filter(|name| fields::name(name).is_ok()).unwrap_or_else(|| name_of(&email));
        let address = device.address.clone();
        Self {
            email,
            name,
            username: None,
            password_hash: None,
            email_is_verified: true,
            wanted: None,
            terms: None,
            address,
        }
    }
}

impl Newcomer {
    /// The user that somebody becomes, with no account yet.
    pub fn user(&self, app: &App) -> User {
        let now = app.now();
        User {
            id: app.new_id(),
            email: self.email.clone(),
            username: self.username.clone(),
            name: self.name.clone(),
            password_hash: self.password_hash.clone(),
            email_verified_at: self.email_is_verified.then_some(now),
            status: UserStatus::Active,
            superadmin: false,
            last_account: None,
            terms: self.terms.clone().map(|version| AcceptedTerms { version, at: now }),
            created_at: now,
            updated_at: now,
        }
    }
}

fn name_of(email: &str) -> String {
    email.split('@').next().unwrap_or(email).chars().take(fields::LONGEST_NAME).collect()
}

/// Everything that a registration writes, with all ids made.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub user: User,
    /// The account that the user acts for first.
    pub account: AccountId,
    /// `None`: somebody who was invited, and joins another account.
    personal: Option<(Account, SeatsChanged)>,
    subscription: domain::ids::SubscriptionId,
    default_plan: Option<domain::ids::PlanVersionId>,
    wanted: Option<WantedPlan>,
    verification: Option<(NewToken, Letter)>,
    event: Audited,
}

impl Prepared {
    pub async fn new(app: &App, newcomer: &Newcomer) -> Result<Self, AppError> {
        let account: AccountId = app.new_id();
        let mut prepared = Self::without_account(app, newcomer, account).await?;
        prepared.personal = Some((personal_account(account, &prepared.user), SeatsChanged::new(app).await?));
        Ok(prepared)
    }

    /// Somebody who joins this account, which is then the first they act for.
    pub async fn invited(app: &App, newcomer: &Newcomer, account: AccountId) -> Result<Self, AppError> {
        let mut prepared = Self::without_account(app, newcomer, account).await?;
        if app.settings.people.personal_account_for_invited {
            prepared.personal = Some((personal_account(app.new_id(), &prepared.user), SeatsChanged::new(app).await?));
        }
        Ok(prepared)
    }

    async fn without_account(app: &App, newcomer: &Newcomer, account: AccountId) -> Result<Self, AppError> {
        let user = User { last_account: Some(account), ..newcomer.user(app) };
        let wanted = newcomer.wanted.as_ref().and_then(|(plan, interval)| {
            Some(WantedPlan { plan: Name::new(plan), interval: Interval::parse(interval)? })
        });
        let verification = (!newcomer.email_is_verified).then(|| super::verify_email::verification(app, &user));
        Ok(Self {
            account,
            personal: None,
            subscription: app.new_id(),
            default_plan: app.plans().await?.default_plan().map(|version| version.id),
            wanted,
            verification,
            event: Audited::new(app, "user.registered", Some(&Device::new("", newcomer.address.clone()))),
            user,
        })
    }

    /// False, and nothing is written, when the email or the username is taken.
    pub fn insert(&self, tx: &mut Tx<'_>) -> Result<bool, AppError> {
        if !users::insert(tx, &self.user)? {
            return Ok(false);
        }
        let now = self.user.created_at;
        if let Some((account, seats)) = &self.personal {
            accounts::insert(tx, account, self.subscription, self.default_plan)?;
            let owner = Member { account: account.id, user: self.user.id, role: Role::Owner, joined_at: now };
            members::insert(tx, &owner)?;
            seats.note(tx, account.id, 0)?;
            if let Some(wanted) = &self.wanted {
                wanted_plans::put(tx, account.id, wanted, now)?;
            }
        }
        if let Some((token, letter)) = &self.verification {
            token.insert(tx)?;
            letter.insert(tx)?;
        }
        let own = self.personal.as_ref().map(|(account, _)| account.id);
        audit::note(tx, &self.event, own, self.user.id, self.user.id, json!({}))?;
        Ok(true)
    }
}

/// The account that pays for what one person uses.
fn personal_account(id: AccountId, user: &User) -> Account {
    Account {
        id,
        external_id: None,
        name: user.name.clone(),
        email: Some(user.email.clone()),
        billing_email: None,
        metadata: Map::new(),
        status: AccountStatus::Active,
        created_at: user.created_at,
        updated_at: user.created_at,
    }
}

/// The same row whatever the address.
async fn leave_to_job(app: &App, newcomer: &Newcomer) -> Result<(), AppError> {
    let written = serde_json::to_vec(newcomer).map_err(StorageError::unexpected)?;
    // Operators see what jobs are about, and not whose password is hashed how.
    let sealed: String =
        app.vault.seal(&app.entropy, SEALED_FOR, &written).iter().map(|byte| format!("{byte:02x}")).collect();
    let payload = json!({ "sealed": sealed }).to_string();
    let now = app.now();
    let job = jobs::NewJob { id: app.new_id(), kind: REGISTER_PRIVATELY, account: None, payload, run_at: now };
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(jobs::insert(tx, &job, now)?) };
    app.database.write("leave_registration", write).await
}

/// The job: registers whoever is new, and tells whoever is not that somebody tried. Done twice, it tells twice.
pub(crate) async fn register_privately(app: &App, payload: &str) -> Result<(), AppError> {
    let newcomer = unsealed(app, payload)?;
    let prepared = Prepared::new(app, &newcomer).await?;
    let read = {
        let email = newcomer.email.clone();
        move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_email(tx, &email)?) }
    };
    let known = app.database.read("find_registered_user", read).await?;
    let notice = known.map(|user| Letter::registration_attempt(app, &user));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        match &notice {
            Some(letter) => Ok(letter.insert(tx)?),
            None => prepared.insert_or_without_username(tx),
        }
    };
    app.database.write("register_privately", write).await
}

fn unsealed(app: &App, payload: &str) -> Result<Newcomer, AppError> {
    let unreadable = || StorageError::Unexpected("a registration that was left behind cannot be read".into());
    let payload: Json = serde_json::from_str(payload).map_err(StorageError::unexpected)?;
    let sealed = payload["sealed"].as_str().ok_or_else(unreadable)?;
    let bytes = sealed.as_bytes().chunks(2).map(|pair| {
        let digits = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>().ok_or_else(unreadable)?;
    let opened = app.vault.open(SEALED_FOR, &bytes)?;
    Ok(serde_json::from_slice(&opened).map_err(StorageError::unexpected)?)
}

impl Prepared {
    /// A username that is taken meanwhile is left out: the address is what was asked for.
    fn insert_or_without_username(&self, tx: &mut Tx<'_>) -> Result<(), AppError> {
        if !self.insert(tx)? && users::by_email(tx, &self.user.email)?.is_none() {
            let user = User { username: None, ..self.user.clone() };
            Self { user, ..self.clone() }.insert(tx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_never_addresses() {
        for good in ["ada", "a.b-c_d", "ada99", &"a".repeat(32)] {
            assert!(username(good).is_ok(), "{good}");
        }
        for bad in ["ab", "ada@host", "ada lovelace", "ädä", "", &"a".repeat(33)] {
            assert!(username(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_name_the_address_gives_one() {
        assert_eq!(name_of("ada@example.com"), "ada");
    }
}
