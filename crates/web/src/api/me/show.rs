//! `GET me`: the profile with accounts and plans.

use app::identity::{self, Membership, Profile};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use domain::name::Name;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Time, Written};
use crate::api::Shared;
use crate::api::auth::UserShape;
use crate::extract::Authenticated;
use crate::problem::{Failure, Problems};

/// The signed-in person.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileShape {
    #[serde(flatten)]
    user: UserShape,
    /// Signing in asks for a code of an authenticator app.
    two_factor: bool,
    /// The account that is meant where a request names none.
    #[schema(value_type = Option<String>)]
    account: Option<Written<AccountId>>,
    accounts: Vec<MembershipShape>,
    /// The version of the terms that was accepted, and when.
    terms: Option<String>,
    terms_accepted_at: Option<Time>,
}

/// An account that the person belongs to.
#[derive(Serialize, ToSchema)]
#[schema(as = Membership)]
pub struct MembershipShape {
    #[schema(value_type = String, example = "acct_01k…")]
    id: Written<AccountId>,
    name: String,
    /// `member`, `admin` or `owner`.
    #[schema(example = "owner")]
    role: &'static str,
    /// `active` or `suspended`.
    status: &'static str,
    /// The plan's key. Null: the catalog names no default plan.
    #[schema(value_type = Option<String>, example = "free")]
    plan: Option<Name>,
    subscription_status: Option<&'static str>,
    /// What was chosen at sign-up and is not paid for yet.
    #[schema(value_type = Option<String>)]
    wanted_plan: Option<Name>,
    wanted_interval: Option<&'static str>,
}

impl From<Membership> for MembershipShape {
    fn from(membership: Membership) -> Self {
        let Membership { account, role, plan, status, wanted } = membership;
        Self {
            id: Written(account.id),
            name: account.name,
            role: role.as_str(),
            status: account.status.as_str(),
            plan,
            subscription_status: status.map(|status| status.as_str()),
            wanted_interval: wanted.as_ref().map(|wanted| wanted.interval.as_str()),
            wanted_plan: wanted.map(|wanted| wanted.plan),
        }
    }
}

impl From<Profile> for ProfileShape {
    fn from(profile: Profile) -> Self {
        Self {
            user: UserShape::from(&profile.user),
            two_factor: profile.two_factor,
            account: profile.account.map(Written),
            accounts: profile.memberships.into_iter().map(MembershipShape::from).collect(),
            terms_accepted_at: profile.user.terms.as_ref().map(|terms| Written(terms.at)),
            terms: profile.user.terms.map(|terms| terms.version),
        }
    }
}

/// Show yourself
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "identity",
    responses((status = 200, body = ProfileShape), Problems),
)]
pub async fn show_me(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    let profile = identity::profile(&state.app, &caller).await?;
    Ok(answer::ok(&ProfileShape::from(profile)))
}
