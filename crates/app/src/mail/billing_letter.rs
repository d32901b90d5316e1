//! The words of mails about money.

use super::content::Mail;
use super::letter::{Letter, name_of};

/// Of the mails that billing writes; any other is none of its.
pub(super) fn words(mail: &Mail, product: &str) -> Letter {
    match mail {
        Mail::SubscriptionConfirmed { account_name, plan, price, renews_at, trial_ends_at, billing_link } => {
            let (account, plan) = (name_of(account_name), name_of(plan));
            let letter = Letter::to("", format!("{account} is on the plan {plan} at {product}"))
                .say(format!("Thank you: {account} is on the plan {plan} now."))
                .say(match trial_ends_at {
                    Some(ends) => {
                        format!("The trial runs until {}. After it the plan costs {price}.", ends.for_people())
                    }
                    None => format!("It costs {price} and is renewed on {}.", renews_at.for_people()),
                });
            letter.see("See your billing", billing_link).then("You can change or cancel the plan there at any time.")
        }
        Mail::PaymentFailed { account_name, amount, next_attempt_at, pay_link } => {
            let account = name_of(account_name);
            Letter::to("", format!("A payment for {account} at {product} has failed"))
                .say(format!("{amount} for {account} at {product} could not be charged."))
                .say(match next_attempt_at {
                    Some(next) => format!(
                        "It is tried again on {}. You can also pay now, with another card if need be.",
                        next.for_people()
                    ),
                    None => "It is not tried again by itself. Please pay it, so that your plan goes on.".into(),
                })
                .see("Pay now", pay_link)
        }
        Mail::PaymentActionRequired { account_name, amount, pay_link } => {
            let account = name_of(account_name);
            Letter::to("", format!("Confirm a payment for {account} at {product}"))
                .say(format!("Your bank asks you to confirm the payment of {amount} for {account} at {product}."))
                .see("Confirm the payment", pay_link)
                .then("Until it is confirmed nothing is charged.")
        }
        Mail::TrialEnding { account_name, plan, price, ends_at, billing_link } => {
            let (account, plan) = (name_of(account_name), name_of(plan));
            Letter::to("", format!("The trial of {plan} at {product} ends soon"))
                .say(format!("The trial of the plan {plan} for {account} ends on {}.", ends_at.for_people()))
                .say(format!("After it the plan costs {price}. Without a way to pay it stops, and nothing is charged."))
                .see("See your billing", billing_link)
                .then("If you do not want to go on, cancel the plan there before.")
        }
        ending => words_of_ends(ending, product),
    }
}

/// Of the mails about what ends, and of receipts.
fn words_of_ends(mail: &Mail, product: &str) -> Letter {
    match mail {
        Mail::SubscriptionCanceled { account_name, plan, until, billing_link } => {
            let (account, plan) = (name_of(account_name), name_of(plan));
            Letter::to("", format!("The plan {plan} at {product} is canceled"))
                .say(format!(
                    "The plan {plan} of {account} is canceled. You keep it until {}, and nothing more is charged.",
                    until.for_people()
                ))
                .see("See your billing", billing_link)
                .then("Until then you can take the cancellation back there.")
        }
        Mail::SubscriptionEnded { account_name, plan, billing_link } => {
            let (account, plan) = (name_of(account_name), name_of(plan));
            Letter::to("", format!("The plan {plan} at {product} has ended"))
                .say(format!("The plan {plan} of {account} has ended. Nothing more is charged."))
                .see("See your billing", billing_link)
                .then("You can come back at any time.")
        }
        Mail::Receipt { account_name, number, amount, link } => {
            let account = name_of(account_name);
            Letter::to("", format!("Receipt from {product}: {amount}"))
                .say(format!(
                    "Thank you. {amount} was paid for {account} at {product}, on the invoice {}.",
                    name_of(number)
                ))
                .see("See the invoice", link)
        }
        other => Letter::to("", format!("News from {product}")).say(format!("There is news: {}.", other.kind())),
    }
}
