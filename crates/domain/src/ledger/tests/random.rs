//! Random commands, as proptest makes and shrinks them.

use proptest::prelude::*;

use super::account::*;
use crate::catalog::{Limit, LimitScope};
use crate::ledger::{Action, Amount, Command, Credit, OnExpiry, Outcome, Scopes, Standing};
use crate::time::MICROS_PER_SECOND;
use crate::windows::WindowKind;

pub const METERS: [&str; 4] = ["requests", "tokens", "cost", "storage"];
pub const LEVELS: [&str; 1] = ["storage"];

/// One thing that happens. Numbers that name an event, a reservation or a plan are taken modulo how many there are.
#[derive(Clone, Debug)]
pub enum Step {
    Wait { seconds: i64 },
    Consume(Scopes, Vec<Amount>),
    Reserve { scopes: Scopes, amounts: Vec<Amount>, ttl_seconds: i64, on_expiry: OnExpiry },
    Commit { reservation: usize, amounts: Vec<Amount> },
    Release { reservation: usize },
    Expire { reservation: usize },
    Record { scopes: Scopes, amounts: Vec<Amount>, ago_seconds: i64 },
    SetLevel { level: i64, ago_seconds: i64 },
    Grant { meter: usize, amount: i64, priority: i32, expires_in_seconds: Option<i64> },
    Adjust(Scopes, Vec<Amount>),
    Reverse { event: usize, amounts: Vec<Amount> },
    MoveToPlan(usize),
    Stand(Standing),
}

/// Limits of four plans on the same meters; the first decides where meters are counted.
pub fn plan(number: usize) -> Vec<Limit> {
    let member_day = |amount| limit("requests", amount).per(WindowKind::Day).each(LimitScope::Member);
    let storage = |amount| limit("storage", amount).per(WindowKind::Lifetime);
    let tokens = |amount| limit("tokens", amount).per(WindowKind::Month);
    match number % 4 {
        0 => vec![
            limit("requests", 30).per(WindowKind::Day),
            limit("requests", 60),
            member_day(15),
            tokens(100).charges(500_000_000, 10, Some(200)),
            limit("cost", 40).each(LimitScope::Key).warns(),
            limit("cost", 80),
            storage(50),
        ],
        1 => vec![limit("requests", 120), tokens(300), limit("cost", 500).observed(), storage(20)],
        2 => vec![limit("requests", 5).per(WindowKind::Day), tokens(0), unlimited("cost"), storage(0)],
        _ => Vec::new(),
    }
}

pub fn account() -> Account {
    Account::with_levels(&plan(0), &LEVELS)
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => 0i64..20,
        4 => 20i64..120,
        2 => -30i64..0,
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(i64::MAX / 2)],
    ]
}

fn named_amounts() -> impl Strategy<Value = Vec<Amount>> {
    let one = (0usize..METERS.len(), amount());
    prop::collection::vec(one, 0..3).prop_map(|named| {
        named.into_iter().map(|(meter, amount)| Amount { meter: METERS[meter].into(), amount }).collect()
    })
}

fn scopes() -> impl Strategy<Value = Scopes> {
    (prop::option::of(0u8..2), prop::option::of(0u8..2)).prop_map(|(member, key)| Scopes {
        member: member.map(|number| format!("member-{number}").into()),
        key: key.map(|number| format!("key-{number}").into()),
        end_user: None,
    })
}

fn on_expiry() -> impl Strategy<Value = OnExpiry> {
    prop_oneof![Just(OnExpiry::Release), Just(OnExpiry::Commit)]
}

fn ago_seconds() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -400i64..7_200, 1 => 0i64..3_500_000]
}

pub fn step() -> impl Strategy<Value = Step> {
    let any = 0usize..1_000;
    let standing = prop_oneof![4 => Just(Standing::Open), 1 => Just(Standing::Suspended), 1 => Just(Standing::NoPlan)];
    let seconds = prop_oneof![4 => 0i64..1_200, 2 => 1_200i64..90_000, 1 => 90_000i64..5_000_000];
    prop_oneof![
        3 => seconds.prop_map(|seconds| Step::Wait { seconds }),
        10 => (scopes(), named_amounts()).prop_map(|(scopes, amounts)| Step::Consume(scopes, amounts)),
        6 => (scopes(), named_amounts(), 1i64..4_000, on_expiry()).prop_map(
            |(scopes, amounts, ttl_seconds, on_expiry)| Step::Reserve { scopes, amounts, ttl_seconds, on_expiry }
        ),
        6 => (any.clone(), named_amounts())
            .prop_map(|(reservation, amounts)| Step::Commit { reservation, amounts }),
        3 => any.clone().prop_map(|reservation| Step::Release { reservation }),
        2 => any.clone().prop_map(|reservation| Step::Expire { reservation }),
        4 => (scopes(), named_amounts(), ago_seconds())
            .prop_map(|(scopes, amounts, ago_seconds)| Step::Record { scopes, amounts, ago_seconds }),
        2 => (amount(), ago_seconds()).prop_map(|(level, ago_seconds)| Step::SetLevel { level, ago_seconds }),
        2 => (0usize..3, amount(), 0i32..3, prop::option::of(1i64..200_000)).prop_map(
            |(meter, amount, priority, expires_in_seconds)| Step::Grant { meter, amount, priority, expires_in_seconds }
        ),
        2 => (scopes(), named_amounts()).prop_map(|(scopes, amounts)| Step::Adjust(scopes, amounts)),
        4 => (any.clone(), prop_oneof![Just(Vec::new()), named_amounts().boxed()])
            .prop_map(|(event, amounts)| Step::Reverse { event, amounts }),
        1 => any.prop_map(Step::MoveToPlan),
        1 => standing.prop_map(Step::Stand),
    ]
}

impl Account {
    /// The command of a step. `None` where it names what is not there, or changes the account instead.
    pub fn command_of(&mut self, step: &Step) -> Option<Command> {
        let reservation = |account: &Account, number: usize| {
            let known = account.reservations.len();
            (known > 0).then(|| account.reservations.keys().nth(number % known).copied()).flatten()
        };
        let (action, scopes, amounts, ago_seconds) = match step.clone() {
            Step::Consume(scopes, amounts) => (Action::Consume, scopes, amounts, None),
            Step::Reserve { scopes, amounts, ttl_seconds, on_expiry } => {
                let id = self.next_event().own();
                let reservation = crate::ids::ReservationId::from_own(self.id(), id);
                let ttl_micros = ttl_seconds * MICROS_PER_SECOND;
                (Action::Reserve { reservation, ttl_micros, on_expiry }, scopes, amounts, None)
            }
            Step::Commit { reservation: number, amounts } => {
                (Action::Commit { reservation: reservation(self, number)? }, Scopes::default(), amounts, None)
            }
            Step::Release { reservation: number } => {
                (Action::Release { reservation: reservation(self, number)? }, Scopes::default(), Vec::new(), None)
            }
            Step::Expire { reservation: number } => {
                (Action::Expire { reservation: reservation(self, number)? }, Scopes::default(), Vec::new(), None)
            }
            Step::Record { scopes, amounts, ago_seconds } => (Action::Record, scopes, amounts, Some(ago_seconds)),
            Step::SetLevel { level, ago_seconds } => {
                (Action::SetLevel, Scopes::default(), amounts(&[("storage", level)]), Some(ago_seconds))
            }
            Step::Grant { meter, amount, priority, expires_in_seconds } => {
                let id = crate::ids::Id::from_bits(self.next_event().own());
                let expires_at = expires_in_seconds.map(|seconds| self.now.plus_micros(seconds * MICROS_PER_SECOND));
                let meter = METERS[meter].into();
                let credit = Credit { id, meter, granted: amount, remaining: amount, priority, expires_at };
                (Action::Grant { credit }, Scopes::default(), Vec::new(), None)
            }
            Step::Adjust(scopes, amounts) => (Action::Adjust, scopes, amounts, None),
            Step::Reverse { event, amounts } => {
                let event = self.events.get(event % self.events.len().max(1))?.id;
                (self.reversal_of(event), Scopes::default(), amounts, None)
            }
            Step::Wait { .. } | Step::MoveToPlan(_) | Step::Stand(_) => return None,
        };
        let occurred_at = ago_seconds.map(|seconds| self.now.minus_micros(seconds * MICROS_PER_SECOND));
        Some(Command { occurred_at, ..self.command(action, amounts, scopes) })
    }

    /// Settles what has expired, as a store does before it judges anything else.
    pub fn settle_expired(&mut self) {
        let expired: Vec<_> =
            self.reservations.values().filter(|held| held.is_expired(self.now)).map(|held| held.id).collect();
        for reservation in expired {
            let outcome = self.expires(reservation);
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
    }
}
