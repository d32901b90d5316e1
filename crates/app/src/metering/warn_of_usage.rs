//! The job that a crossed warning threshold leaves behind: tells the account's people by mail, once for each threshold,
//! meter and window.

use domain::catalog::Catalog;
use domain::ids::{AccountId, MailId};
use domain::ledger::Terms;
use domain::name::Name;
use domain::quantity::write_amount;
use domain::suggestion::Need;
use domain::time::Timestamp;
use domain::windows::{Window, WindowKind};
use serde::Deserialize;
use storage::Tx;
use storage::ledger::plan_book::PlanBook;
use storage::records::accounts;
use storage::records::jobs::Job;

use super::consume::suggestion;
use crate::jobs::kinds::{Done, JobFailure};
use crate::mail::{self, Mail, NewMail};
use crate::webhooks::{Emitted, Event, emit};
use crate::{App, AppError};

/// The kind of the rows that the ledger writes.
pub(crate) const USAGE_THRESHOLD: &str = "usage_threshold";

/// As the ledger writes it. Amounts are in the meter's integer unit.
#[derive(Clone, Deserialize)]
struct Crossed {
    meter: Name,
    scope: String,
    window: String,
    window_start: i64,
    percent: u8,
    used: i64,
    limit: i64,
}

pub(crate) async fn warn_of_usage(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let unreadable = || JobFailure::GiveUp(format!("the payload {} cannot be read", job.payload));
    let crossed: Crossed = serde_json::from_str(&job.payload).map_err(|_| unreadable())?;
    let (account, window) = job.account.zip(WindowKind::parse(&crossed.window)).ok_or_else(unreadable)?;
    // Of members, keys and end users an account may have thousands; their warnings are in the API.
    if crossed.scope != domain::catalog::LimitScope::Account.as_str() {
        return Ok(Done);
    }
    tell_endpoints(app, job, account, &crossed).await?;
    let (plans, terms) = (app.plans().await?, app.ledger.terms(account).await?);
    let Some(terms) = terms else { return Ok(Done) };
    let window = Window::containing(window, terms.anchor, Timestamp::from_micros(crossed.window_start));
    let is_over = window.end.is_some_and(|end| end <= app.now());
    if is_over || reaches_a_higher_one(&crossed, &plans.catalog) {
        return Ok(Done);
    }
    let plan = suggested(&crossed, window.kind, &terms, &plans);
    tell(app, account, &crossed, warning(app, &crossed, &window, (&plans, plan))).await?;
    Ok(Done)
}

/// Endpoints are told of each threshold. A job that is done twice tells twice under one message id.
async fn tell_endpoints(app: &App, job: &Job, account: AccountId, crossed: &Crossed) -> Result<(), AppError> {
    let told = Emitted::of_job(app, Event::UsageThresholdReached, job.id);
    let data = serde_json::json!({
        "meter": crossed.meter,
        "window": crossed.window,
        "window_start": Timestamp::from_micros(crossed.window_start).to_string(),
        "percent": crossed.percent,
        "used": amount(&crossed.meter, crossed.used),
        "limit": amount(&crossed.meter, crossed.limit),
    });
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(emit(tx, &told, account, &data)?) };
    app.database.write("tell_endpoints_of_usage", write).await
}

/// An exact decimal as text: `1000`, `4.25`.
fn amount(meter: &Name, amount: i64) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_amount(&mut text, meter.as_str(), amount);
    text
}

/// One call may cross several thresholds; then the highest is told alone.
fn reaches_a_higher_one(crossed: &Crossed, catalog: &Catalog) -> bool {
    let reaches = |percent: u8| i128::from(crossed.used) * 100 >= i128::from(crossed.limit) * i128::from(percent);
    catalog.warn_at_percent.iter().any(|percent| *percent > crossed.percent && reaches(*percent))
}

fn suggested(crossed: &Crossed, per: WindowKind, terms: &Terms, plans: &PlanBook) -> Option<Name> {
    let total = crossed.limit.saturating_add(1).max(crossed.used);
    let need = Need { meter: crossed.meter.clone(), per, each: domain::catalog::LimitScope::Account, total };
    suggestion(terms, plans, &[need])
}

/// The mail's content, but for the account's name, which is read with its addresses.
fn warning(app: &App, crossed: &Crossed, window: &Window, (plans, plan): (&PlanBook, Option<Name>)) -> Mail {
    let base = app.settings.public_url.trim_end_matches('/');
    let meter = plans.catalog.meters.get(&crossed.meter);
    let unit = meter.map_or(crossed.meter.as_str(), |meter| meter.unit.as_str());
    Mail::UsageThreshold {
        account_name: String::new(),
        meter: crossed.meter.as_str().replace(['_', '-'], " "),
        percent: crossed.percent,
        used: digits(&crossed.meter, crossed.used),
        limit: format!("{} {unit}", digits(&crossed.meter, crossed.limit)),
        resets_at: window.end,
        usage_link: format!("{base}/usage"),
        upgrade_link: app.settings.upgrade_url(plan.as_ref()),
        suggested_plan: plan.map(|key| plans.catalog.plans.get(&key).map_or(key.to_string(), |plan| plan.name.clone())),
    }
}

async fn tell(app: &App, account: AccountId, crossed: &Crossed, warning: Mail) -> Result<(), AppError> {
    let Crossed { meter, window, window_start, percent, limit, .. } = crossed;
    // The limit too: who has another one is warned of that one.
    let once = format!("usage:{account}:{meter}:{window}:{window_start}:{percent}:{limit}");
    let (first, now): (MailId, Timestamp) = (app.new_id(), app.now());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let Some(account) = accounts::by_id(tx, account)? else { return Ok(()) };
        for (place, to) in mail::recipients(tx, &account)?.into_iter().enumerate() {
            let mail = NewMail {
                id: MailId::from_bits(first.bits() + place as u128),
                once: Some(format!("{once}:{to}")),
                to,
                account: Some(account.id),
                content: named(warning.clone(), &account.name),
                now,
            };
            mail::write(tx, &mail)?;
        }
        Ok(())
    };
    app.database.write("warn_of_usage", write).await
}

fn named(mut warning: Mail, name: &str) -> Mail {
    if let Mail::UsageThreshold { account_name, .. } = &mut warning {
        name.clone_into(account_name);
    }
    warning
}

/// An amount as people read it: `1,000`.
pub(crate) fn digits(meter: &Name, units: i64) -> String {
    grouped(&amount(meter, units))
}

/// `1234567.5` as `1,234,567.5`.
fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut written = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && !written.ends_with('-') {
            written.push(',');
        }
        written.push(digit);
    }
    fraction.map_or(written.clone(), |fraction| format!("{written}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (plain, expected) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("1234567.5", "1,234,567.5"),
            ("0.000001", "0.000001"),
            ("-123456", "-123,456"),
        ] {
            assert_eq!(grouped(plain), expected);
        }
    }

    #[test]
    fn of_thresholds_crossed_together_the_highest_is_told() {
        let source = "product = \"Test\"\ndefault_plan = \"free\"\nwarn_at = [80, 90, 100]\n[meters.requests]\n[plans.free]\nlimits = { requests = 10 }\n";
        let catalog = domain::catalog::parse(source).expect("a good catalog");
        let crossed = |percent: u8, used: i64| Crossed {
            meter: "requests".into(),
            scope: "account".into(),
            window: "day".into(),
            window_start: 0,
            percent,
            used: used * 1_000_000,
            limit: 10_000_000,
        };
        assert!(!reaches_a_higher_one(&crossed(80, 8), &catalog));
        assert!(reaches_a_higher_one(&crossed(80, 9), &catalog));
        assert!(reaches_a_higher_one(&crossed(90, 12), &catalog));
        assert!(!reaches_a_higher_one(&crossed(100, 12), &catalog));
        assert_eq!(digits(&"requests".into(), 1_000_500_000), "1,000.5");
        assert_eq!(digits(&"cost".into(), 1_000_500_000), "1.0005");
    }
}
