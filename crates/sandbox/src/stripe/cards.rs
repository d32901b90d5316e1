//! Test cards: by number on the pages, by `pm_card_…` through the API. What a charge of each does.

use super::refusal::Refusal;

/// What happens when a payment is made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Works,
    /// Declined at once, also when it is only attached.
    Declined(Decline),
    /// Attaches, and declines every charge.
    FailsOnCharge,
    /// Must be confirmed by its owner; a charge without the owner cannot be.
    NeedsAuthentication,
    /// Is charged, and then disputed.
    Disputed,
    /// Takes days to say whether it worked.
    Delayed {
        succeeds: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decline {
    pub code: &'static str,
    pub decline_code: &'static str,
    pub message: &'static str,
}

pub struct TestCard {
    pub number: &'static str,
    pub tokens: &'static [&'static str],
    pub brand: &'static str,
    /// What the pages say about it.
    pub label: &'static str,
    pub behaviour: Behaviour,
}

pub const GENERIC: Decline =
    Decline { code: "card_declined", decline_code: "generic_decline", message: "Your card was declined." };
const INSUFFICIENT: Decline =
    Decline { code: "card_declined", decline_code: "insufficient_funds", message: "Your card has insufficient funds." };
const EXPIRED: Decline =
    Decline { code: "expired_card", decline_code: "expired_card", message: "Your card has expired." };

pub static CARDS: [TestCard; 11] = [
    TestCard {
        number: "4242424242424242",
        tokens: &["pm_card_visa", "tok_visa"],
        brand: "visa",
        label: "works",
        behaviour: Behaviour::Works,
    },
    TestCard {
        number: "5555555555554444",
        tokens: &["pm_card_mastercard", "tok_mastercard"],
        brand: "mastercard",
        label: "works, another brand",
        behaviour: Behaviour::Works,
    },
    TestCard {
        number: "4000000000000002",
        tokens: &["pm_card_visa_chargeDeclined", "pm_card_chargeDeclined", "tok_chargeDeclined"],
        brand: "visa",
        label: "is declined",
        behaviour: Behaviour::Declined(GENERIC),
    },
    TestCard {
        number: "4000000000009995",
        tokens: &["pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedInsufficientFunds"],
        brand: "visa",
        label: "has insufficient funds",
        behaviour: Behaviour::Declined(INSUFFICIENT),
    },
    TestCard {
        number: "4000000000000069",
        tokens: &["pm_card_visa_chargeDeclinedExpiredCard", "pm_card_chargeDeclinedExpiredCard"],
        brand: "visa",
        label: "has expired",
        behaviour: Behaviour::Declined(EXPIRED),
    },
    TestCard {
        number: "4000002500003155",
        tokens: &["pm_card_authenticationRequiredOnSetup"],
        brand: "visa",
        label: "must be confirmed by its owner",
        behaviour: Behaviour::NeedsAuthentication,
    },
    TestCard {
        number: "4000002760003184",
        tokens: &["pm_card_authenticationRequired"],
        brand: "visa",
        label: "must be confirmed each time",
        behaviour: Behaviour::NeedsAuthentication,
    },
    TestCard {
        number: "4000000000000341",
        tokens: &["pm_card_chargeCustomerFail", "tok_chargeCustomerFail"],
        brand: "visa",
        label: "is taken, and fails on every charge",
        behaviour: Behaviour::FailsOnCharge,
    },
    TestCard {
        number: "4000000000000259",
        tokens: &["pm_card_createDispute", "tok_createDispute"],
        brand: "visa",
        label: "is charged and then disputed",
        behaviour: Behaviour::Disputed,
    },
    TestCard {
        number: "000123456789",
        tokens: &["pm_usBankAccount_success"],
        brand: "us_bank_account",
        label: "a bank account: pays a day later",
        behaviour: Behaviour::Delayed { succeeds: true },
    },
    TestCard {
        number: "000111111116",
        tokens: &["pm_usBankAccount_accountClosed"],
        brand: "us_bank_account",
        label: "a bank account: fails a day later",
        behaviour: Behaviour::Delayed { succeeds: false },
    },
];

pub fn by_number(number: &str) -> Result<&'static TestCard, Refusal> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    CARDS.iter().find(|card| card.number == digits).ok_or_else(|| {
        let message = "Your card number is not one of the sandbox's test cards.";
        Refusal::card("incorrect_number", None, message).param("number")
    })
}

pub fn by_token(token: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.tokens.contains(&token))
}

impl TestCard {
    pub fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    pub fn is_bank_account(&self) -> bool {
        matches!(self.behaviour, Behaviour::Delayed { .. })
    }
}

impl Decline {
    pub fn refusal(&self) -> Refusal {
        Refusal::card(self.code, Some(self.decline_code), self.message)
    }
}
