//! What usage past a limit costs, in every currency and at Stripe's meters: how it is read, and every mistake in it.

use domain::catalog::{self, Charge, Past};

/// A plan that is sold in dollars and euros, with this as what happens past its limit on `tokens`.
fn file(past: &str) -> String {
    format!(
        "product = \"A\"\n[meters.tokens]\n[meters.pages]\n[plans.pro]\nprice = {{ monthly = \"10.00\", EUR = {{ monthly = \"9.00\" }} }}\n\
         [plans.pro.limits]\ntokens = {{ amount = 1, past = {past} }}\n"
    )
}

fn past(text: &str) -> Past {
    let catalog = catalog::parse(&file(text)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    catalog.plans["pro"].limits[0].past.clone()
}

#[track_caller]
fn is_mistaken(file: &str, line: usize, what: &str, fix: &str) {
    let Err(mistakes) = catalog::parse(file) else { panic!("no mistake was found in:\n{file}") };
    let [mistake] = &mistakes[..] else { panic!("one mistake causes no other: {mistakes:#?}") };
    assert!(mistake.line == line && mistake.what.contains(what) && mistake.fix.contains(fix), "{mistake:#?}");
}

#[test]
fn a_charge_has_a_price_in_every_currency_of_its_plan() {
    let read = past(r#"{ charge = "0.50", each = 100, up_to = "5.00", EUR = { charge = "0.45", up_to = "4.50" } }"#);
    assert_eq!(read.charge_in("USD", "USD"), Some(Charge { charge_nano: 500_000_000, up_to_minor: Some(500) }));
    assert_eq!(read.charge_in("EUR", "USD"), Some(Charge { charge_nano: 450_000_000, up_to_minor: Some(450) }));
    assert_eq!(read.charge_in("GBP", "USD"), None);
    let wrong = |past: &str, what: &str, fix: &str| is_mistaken(&file(past), 7, what, fix);
    wrong(r#"{ charge = "0.50" }"#, "sold in EUR", "EUR = {");
    wrong(
        r#"{ charge = "0.50", EUR = { charge = "0.45" }, GBP = { charge = "0.40" } }"#,
        "is not sold",
        "Give the plan a price",
    );
    wrong(
        r#"{ charge = "0.50", EUR = { charge = "0.45" }, USD = { charge = "0.40" } }"#,
        "own currency",
        "as `charge`",
    );
    wrong(r#"{ charge = "0.50", EUR = { charge = "0.45" }, EUX = { charge = "0.40" } }"#, "not a currency", "ISO 4217");
    wrong(r#"{ charge = "0.50", up_to = "5.00", EUR = { charge = "0.45" } }"#, "in one currency and not", "or in none");
    wrong(r#"{ charge = "0.50", EUR = { up_to = "4.00" } }"#, "`charge` of", "charge = \"0.50\"");
    wrong(r#"{ charge = "0.50", EUR = { charge = 0 } }"#, "is zero", "more than zero");
    let cost = file("\"block\"").replace("tokens = {", "cost = { amount = 5, past = \"charge\" }\npages = {");
    is_mistaken(&cost, 7, "sold in EUR", "past = { EUR");
}

const IN_EUROS: &str = "EUR = { charge = \"0.45\" }";

#[test]
fn a_stripe_meter_goes_with_a_charge_that_stripe_can_bill() {
    let of = |more: &str| file(&format!("{{ charge = \"0.50\", each = 100, {IN_EUROS}, {more} }}"));
    let catalog =
        catalog::parse(&of("stripe_meter = \"extra_tokens\"")).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let Past::Charge { stripe_meter, .. } = &catalog.plans["pro"].limits[0].past else { panic!("it is charged") };
    assert_eq!(stripe_meter.as_ref().map(|name| name.as_str()), Some("extra_tokens"));
    is_mistaken(&of("stripe_meter = \"extra tokens\""), 7, "cannot name the events", "letters, digits");
    is_mistaken(&of("stripe_metre = \"x\""), 7, "not a setting", "Did you mean `stripe_meter`?");
    let without = file(&format!("{{ stripe_meter = \"x\", {IN_EUROS} }}"));
    is_mistaken(&without, 7, "`charge` of", "charge = \"0.50\"");
    let uneven = file(&format!("{{ charge = \"1.00\", each = 3, {IN_EUROS}, stripe_meter = \"x\" }}"));
    is_mistaken(&uneven, 7, "one unit in USD does not come out even", "12 decimals");
    let daily = of("stripe_meter = \"x\"").replace("amount = 1,", "amount = 1, per = \"day\",");
    is_mistaken(&daily, 7, "billed by the period", "leave `stripe_meter` out");
    let cost = of("stripe_meter = \"x\"").replace("tokens = {", "cost = {");
    is_mistaken(&cost, 7, "given for costs", "Leave it out");
    let yearly = of("stripe_meter = \"x\"").replace("monthly", "annual");
    is_mistaken(&yearly, 7, "no monthly price", "Give the plan a monthly price");
    let beside = of("stripe_meter = \"x\"") + "stripe_meter = \"x\"\n";
    is_mistaken(&beside, 8, "does not declare", "[meters.stripe_meter]");
    let other = format!("pages = {{ amount = 1, past = {{ charge = 1, {IN_EUROS}, stripe_meter = \"x\" }} }}\n");
    is_mistaken(&(of("stripe_meter = \"x\"") + &other), 4, "both `tokens` and `pages`", "of its own");
}
