//! What customers can be told of. One list; validation, messages and documents go by it.

/// Something that happened to an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    UsageThresholdReached,
    SubscriptionChanged,
    AccountChanged,
    MemberJoined,
    MemberChanged,
    MemberLeft,
    KeyCreated,
    KeyRevoked,
    /// Sent by hand, to see whether an endpoint works.
    Test,
}

/// Every event that an endpoint can ask for, with what it tells of.
pub const ALL: [(Event, &str); 9] = [
    (Event::UsageThresholdReached, "a warning threshold of a limit was reached"),
    (Event::SubscriptionChanged, "the account is on another plan"),
    (Event::AccountChanged, "the account's name or addresses have changed"),
    (Event::MemberJoined, "somebody belongs to the account now"),
    (Event::MemberChanged, "a member has another role"),
    (Event::MemberLeft, "somebody does not belong to the account any more"),
    (Event::KeyCreated, "an API key was made"),
    (Event::KeyRevoked, "an API key was revoked"),
    (Event::Test, "somebody wants to see whether the endpoint works"),
];

impl Event {
    pub fn as_str(self) -> &'static str {
        match self {
            Event::UsageThresholdReached => "usage.threshold_reached",
            Event::SubscriptionChanged => "subscription.changed",
            Event::AccountChanged => "account.changed",
            Event::MemberJoined => "member.joined",
            Event::MemberChanged => "member.changed",
            Event::MemberLeft => "member.left",
            Event::KeyCreated => "api_key.created",
            Event::KeyRevoked => "api_key.revoked",
            Event::Test => "test",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        ALL.iter().map(|(event, _)| *event).find(|event| event.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_back() {
        assert!(ALL.iter().all(|(event, _)| Event::parse(event.as_str()) == Some(*event)));
    }
}
