//! What a changed catalog means to customers.

use domain::catalog::{self, Catalog};
use domain::name::Name;

fn starter() -> String {
    include_str!("../../../catalogs/starter.toml").to_owned()
}

fn parse(source: &str) -> Catalog {
    catalog::parse(source).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn lines(old: &str, new: &str) -> Vec<String> {
    catalog::diff(&parse(old), &parse(new)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_catalog_is_no_different_from_itself() {
    assert_eq!(lines(&starter(), &starter()), Vec::<String>::new());
    assert_eq!(catalog::plans_with_a_new_version(&parse(&starter()), &parse(&starter())), Vec::<Name>::new());
}

#[test]
fn each_change_is_a_line_under_its_plan() {
    let changed = starter()
        .replace("markup_percent = 5", "markup_percent = 7.5\ngrace_days = 14")
        .replace("requests = 10_000", "requests = 20_000")
        .replace("{ monthly = \"15.00\", annual = \"150.00\" }", "{ monthly = \"19.00\" }")
        .replace("trial_days = 7", "trial_days = 14")
        .replace("up_to = \"20.00\"", "up_to = \"30.00\"")
        .replace("seats = 10\n", "")
        .replace("seats = 3", "seats = { amount = 3, past = \"warn\" }")
        .replace("\"csv\", \"json\", \"pdf\"", "\"csv\", \"json\"")
        .replace("api = \"12000 per 60s\"", "api = \"12000 per 30s\"")
        .replace("small = { input = \"0.10\"", "small = { input = \"0.12\"");
    assert_eq!(
        lines(&starter(), &changed),
        [
            "markup 5 % → 7.5 %",
            "grace after a failed payment 7 days → 14 days",
            "model small input 0.1, output 0.4, cached 0.05 per million tokens → input 0.12, output 0.4, cached 0.05 per million tokens",
            "enterprise: rate api 12000 per 60s → 12000 per 30s",
            "free: past seats: blocked → allowed with a warning",
            "pro: monthly price 15.00 USD → 19.00 USD",
            "pro: annual price 150.00 USD → not sold",
            "pro: trial 7 days without a card → 14 days without a card",
            "pro: past llm_tokens per period: charged 0.50 USD for each 100,000, up to 20.00 USD → charged 0.50 USD for each 100,000, up to 30.00 USD",
            "pro: limit requests per period 10,000 → 20,000",
            "pro: no limit seats any more",
            "pro: feature export_formats csv, json, pdf → csv, json",
            "pro: Stripe annual lookup key pro_annual → none",
        ]
    );
}

#[test]
fn new_and_gone_plans_are_said() {
    let more = format!(
        "{}\n[plans.student]\nrank = 7\nrate_multiplier = 2\nfeatures = {{ allowed_models = [\"*\"] }}\n",
        starter()
    );
    assert_eq!(lines(&starter(), &more), ["student: new plan"]);
    assert_eq!(
        lines(&more, &starter()),
        ["student: no longer in the catalog; its subscribers keep the version they have"]
    );
    let new_versions = catalog::plans_with_a_new_version(&parse(&starter()), &parse(&more));
    assert_eq!(new_versions, [Name::from("student")]);
}

#[test]
fn a_change_of_base_rates_is_said_of_every_plan_it_reaches() {
    let changed = starter().replace("payment = \"30 per 1m\"", "payment = \"40 per 1m\"");
    assert_eq!(
        lines(&starter(), &changed),
        [
            "enterprise: rate payment 30 per 60s → 40 per 60s",
            "free: rate payment 30 per 60s → 40 per 60s",
            "pro: rate payment 30 per 60s → 40 per 60s",
        ]
    );
    assert!(catalog::plans_with_a_new_version(&parse(&starter()), &parse(&changed)).is_empty());
}

#[test]
fn a_plan_s_stored_content_reads_back_and_is_stable() {
    for plan in parse(&starter()).plans.values() {
        let json = serde_json::to_string(plan).expect("a plan is JSON");
        let back: catalog::Plan = serde_json::from_str(&json).expect("it reads back");
        assert_eq!(&back, plan);
        assert_eq!(serde_json::to_string(&back).expect("a plan is JSON"), json);
    }
}
