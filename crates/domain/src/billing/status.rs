//! The states of a subscription and what each allows. The words are Stripe's, and `expired` for what ended by our own time.

/// Where a subscription is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// Made, and its first payment has not come.
    Incomplete,
    /// Its first payment has not come in 23 hours. Over.
    IncompleteExpired,
    Trialing,
    Active,
    /// A payment failed and is tried again.
    PastDue,
    /// Payments failed and are not tried any more; the subscription stands.
    Unpaid,
    /// Its trial ended without a way to pay.
    Paused,
    /// Over.
    Canceled,
    /// A plan given for a time, whose time is up. Over.
    Expired,
}

/// What a status allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The plan that was bought.
    Plan,
    /// The plan that was bought, until the days of grace are over; then the default plan.
    PlanWithinGrace,
    /// The default plan; where the catalog names none, nothing.
    DefaultPlan,
}

impl Status {
    pub const ALL: [Status; 9] = [
        Status::Incomplete,
        Status::IncompleteExpired,
        Status::Trialing,
        Status::Active,
        Status::PastDue,
        Status::Unpaid,
        Status::Paused,
        Status::Canceled,
        Status::Expired,
    ];

    /// The table of what each status allows.
    pub fn allows(self) -> Access {
        match self {
            Status::Trialing | Status::Active => Access::Plan,
            Status::PastDue => Access::PlanWithinGrace,
            Status::Incomplete
            | Status::IncompleteExpired
            | Status::Unpaid
            | Status::Paused
            | Status::Canceled
            | Status::Expired => Access::DefaultPlan,
        }
    }

    /// Nothing leads out of it: the account may buy anew.
    pub fn is_over(self) -> bool {
        matches!(self, Status::IncompleteExpired | Status::Canceled | Status::Expired)
    }

    /// Something was paid or promised for it, so that a second one beside it would charge twice.
    pub fn is_running(self) -> bool {
        matches!(self, Status::Trialing | Status::Active | Status::PastDue | Status::Unpaid | Status::Paused)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Incomplete => "incomplete",
            Status::IncompleteExpired => "incomplete_expired",
            Status::Trialing => "trialing",
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Unpaid => "unpaid",
            Status::Paused => "paused",
            Status::Canceled => "canceled",
            Status::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_word_and_what_it_allows() {
        let table: Vec<_> =
            Status::ALL.iter().map(|status| (status.as_str(), status.allows(), status.is_over())).collect();
        assert_eq!(
            table,
            [
                ("incomplete", Access::DefaultPlan, false),
                ("incomplete_expired", Access::DefaultPlan, true),
                ("trialing", Access::Plan, false),
                ("active", Access::Plan, false),
                ("past_due", Access::PlanWithinGrace, false),
                ("unpaid", Access::DefaultPlan, false),
                ("paused", Access::DefaultPlan, false),
                ("canceled", Access::DefaultPlan, true),
                ("expired", Access::DefaultPlan, true),
            ]
        );
        assert!(Status::ALL.iter().all(|status| Status::parse(status.as_str()) == Some(*status)));
        assert!(Status::ALL.iter().all(|status| !(status.is_over() && status.is_running())));
    }
}
