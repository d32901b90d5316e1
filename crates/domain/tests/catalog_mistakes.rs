//! Every mistake a catalog file can have: its line, what is said of it, and how to mend it.
//!
//! A case is a whole file. The line that the mistake is on ends with the comment `# here`.

use domain::catalog;
use proptest::prelude::*;

struct Case {
    file: &'static str,
    what: &'static str,
    fix: &'static str,
}

fn case(file: &'static str, what: &'static str, fix: &'static str) -> Case {
    Case { file, what, fix }
}

fn check(cases: Vec<Case>) {
    for Case { file, what, fix } in cases {
        let mistakes = match catalog::parse(file) {
            Ok(_) => panic!("no mistake was found in:\n{file}"),
            Err(mistakes) => mistakes,
        };
        let line = file.lines().position(|line| line.ends_with("# here")).map_or(1, |position| position + 1);
        let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let found = mistakes.iter().find(|mistake| mistake.line == line && mistake.what.contains(what));
        let found = found.unwrap_or_else(|| panic!("expected `{what}` on line {line}, got {all:#?} in:\n{file}"));
        assert!(found.fix.contains(fix), "expected the fix `{fix}`, got {all:#?}");
        assert_eq!(mistakes.len(), 1, "one mistake causes no other: {all:#?} in:\n{file}");
    }
}

#[test]
fn mistakes_in_the_settings_at_the_top() {
    check(vec![
        case("[plans.free]\n", "does not name its product", "product = \"Acme Chat\""),
        case("product = 7 # here\n[plans.free]\n", "`product` is a whole number", "Write text in quotes"),
        case("product = \"\" # here\n[plans.free]\n", "`product` is empty", "leave the line out"),
        case(
            "product = \"A\"\nprodukt = 1 # here\n[plans.free]\n",
            "`produkt` is not a setting",
            "Did you mean `product`?",
        ),
        case("product = \"A\"\nproduct = \"B\" # here\n[plans.free]\n", "given twice", "Keep one"),
        case(
            "product = \"A\"\ncurrency = \"usd\" # here\n[plans.free]\n",
            "`usd` is not a currency",
            "upper case: \"USD\"",
        ),
        case("product = \"A\"\ncurrency = \"UDS\" # here\n[plans.free]\n", "not a currency", "Did you mean `USD`?"),
        case("product = \"A\"\ncurrency = \"dollars\" # here\n[plans.free]\n", "not a currency", "ISO 4217"),
        case("product = \"A\"\ndefault_plan = \"fre\" # here\n[plans.free]\n", "does not have", "Did you mean `free`?"),
        case(
            "product = \"A\"\ndefault_plan = \"pro\" # here\n[plans.pro]\nprice = 15\n",
            "`pro`, which has a price",
            "Name a free plan",
        ),
        case("product = \"A\"\nmarkup_percent = -5 # here\n[plans.free]\n", "is negative", "from zero up"),
        case("product = \"A\"\nmarkup_percent = \"five\" # here\n[plans.free]\n", "is not a number", "such as 5"),
        case("product = \"A\"\nmarkup_percent = 0.0000001 # here\n[plans.free]\n", "more than 6 decimals", "at most 6"),
        case(
            "product = \"A\"\nenforce = \"observ\" # here\n[plans.free]\n",
            "cannot be `observ`",
            "Did you mean `observe`?",
        ),
        case("product = \"A\"\nenforce = true # here\n[plans.free]\n", "is true or false", "`enforce` and `observe`"),
        case("product = \"A\"\nwarn_at = 80 # here\n[plans.free]\n", "not a list", "[80, 90, 100]"),
        case("product = \"A\"\nwarn_at = [80, 101] # here\n[plans.free]\n", "from 1 to 100", "without quotes"),
        case("product = \"A\"\ngrace_days = 61 # here\n[plans.free]\n", "from 0 to 60", "without quotes"),
        case("product = \"A\"\nwarn_at = [0] # here\n[plans.free]\n", "from 1 to 100", "without quotes"),
        case("product = \"A\"\nwarn_at = [80, 80] # here\n[plans.free]\n", "names 80 twice", "Keep it once"),
        case(
            "product = \"A\"\nunknown_model = \"refus\" # here\n[plans.free]\n",
            "cannot be `refus`",
            "Did you mean `refuse`?",
        ),
        case("product = \"A\"\nunknown_model = 3 # here\n[plans.free]\n", "not a table", "\"refuse\""),
        case(
            "product = \"A\"\nunknown_model = { input = 1 } # here\n[plans.free]\n",
            "`output` of the price",
            "million",
        ),
        case(
            "product = \"A\"\nvoice = { audio_bytes_per_token = 0 } # here\n[plans.free]\n",
            "from 1 to",
            "such a number",
        ),
        case(
            "product = \"A\"\nvoice = { bytes = 1 } # here\n[plans.free]\n",
            "not a setting of the voice",
            "Known are",
        ),
        case("product = \"A\"\n", "has no plans", "[plans.free]"),
        case("product = \"A\"\nplans = 3 # here\n", "not a table", "[plans.free]"),
        case("product = \"A\"\n[plans] # here\n", "has no plans", "[plans.free]"),
    ]);
}

#[test]
fn mistakes_in_toml_itself() {
    check(vec![
        case("product = \"A # here\n[plans.free]\n", "not valid TOML", "quotes"),
        case("product = A # here\n[plans.free]\n", "not valid TOML", "quotes"),
        case("product = \"A\"\n[plans.free # here\n", "not valid TOML", "brackets"),
    ]);
}

#[test]
fn mistakes_in_meters_and_rates() {
    check(vec![
        case("product = \"A\"\nmeters = 1 # here\n[plans.a]\n", "not a table", "[meters.requests]"),
        case("product = \"A\"\n[meters]\nrequests = 1 # here\n[plans.a]\n", "not a table", "[meters.requests]"),
        case("product = \"A\"\n[meters.Requests] # here\n[plans.a]\n", "cannot name a meter", "lower-case"),
        case(
            "product = \"A\"\n[meters.x]\nknid = \"sum\" # here\n[plans.a]\n",
            "not a setting of meter x",
            "Did you mean `kind`?",
        ),
        case(
            "product = \"A\"\n[meters.x]\nkind = \"levle\" # here\n[plans.a]\n",
            "cannot be `levle`",
            "Did you mean `level`?",
        ),
        case("product = \"A\"\n[meters.x]\nfeed = \"token\" # here\n[plans.a]\n", "cannot be `token`", "Known are"),
        case(
            "product = \"A\"\n[meters.x]\nfeed = \"cost\" # here\n[plans.a]\n",
            "belongs to the meter `cost`",
            "another meter",
        ),
        case(
            "product = \"A\"\n[meters.x]\nkind = \"level\"\nfeed = \"requests\" # here\n[plans.a]\n",
            "is a level, so calls cannot feed it",
            "make it a sum",
        ),
        case(
            "product = \"A\"\n[meters.cost] # here\nkind = \"level\"\n[plans.a]\n",
            "cannot be a level",
            "Leave `kind` out",
        ),
        case("product = \"A\"\n[rates]\napi = \"60\" # here\n[plans.a]\n", "is not a rate limit", "300 per 60s"),
        case("product = \"A\"\n[rates]\napi = \"0 per 60s\" # here\n[plans.a]\n", "is not a rate limit", "300 per 60s"),
        case(
            "product = \"A\"\n[rates]\napi = \"9 per 2 moons\" # here\n[plans.a]\n",
            "is not a rate limit",
            "s, m, h or d",
        ),
        case("product = \"A\"\n[rates]\nAPI = \"60 per 60s\" # here\n[plans.a]\n", "cannot name a scope", "lower-case"),
        case(
            "product = \"A\"\n[rates]\napi = \"60 per 1m\"\n[plans.pro]\nrate_multiplier = 5\n[plans.enterprise] # here\n",
            "Plan `enterprise` allows `api` 60 per 60s, less than the lower plan `pro` with 300 per 60s",
            "Raise its rate",
        ),
    ]);
}

#[test]
fn mistakes_in_models() {
    check(vec![
        case(
            "product = \"A\"\n[models.x] # here\ninput = 1\n[plans.a]\n",
            "`output` of model x is missing",
            "million tokens",
        ),
        case("product = \"A\"\n[models.x]\ninput = -1 # here\noutput = 1\n[plans.a]\n", "is negative", "from zero up"),
        case(
            "product = \"A\"\n[models.x]\ninput = 0.0000001 # here\noutput = 1\n[plans.a]\n",
            "more than 6 decimals",
            "at most 6",
        ),
        case("product = \"A\"\n[models.x]\ninput = 1\noutput = 1e13 # here\n[plans.a]\n", "too large", "smaller"),
        case(
            "product = \"A\"\n[models.x]\ninput = 1\noutput = 1\ncahced = 1 # here\n[plans.a]\n",
            "not a setting of model x",
            "`cached`",
        ),
        case("product = \"A\"\n[models]\nx = 3 # here\n[plans.a]\n", "not a table", "input = \"0.15\""),
        case("product = \"A\"\n[models]\n\"*\" = \"openai\" # here\n[plans.a]\n", "cannot name a model", "gpt-4o"),
        case(
            "product = \"A\"\n[models]\n\"gpt-4o\" = \"opnai\" # here\n[plans.a]\n",
            "no model `gpt-4o` of a provider",
            "`openai`",
        ),
        case(
            "product = \"A\"\n[models]\n\"gpt-4o-mni\" = \"openai\" # here\n[plans.a]\n",
            "no model `gpt-4o-mni`",
            "`gpt-4o-mini`",
        ),
        case(
            "product = \"A\"\ncurrency = \"EUR\"\n[models]\n\"gpt-4o\" = \"openai\" # here\n[plans.a]\n",
            "price table is in USD",
            "own prices",
        ),
        case(
            "product = \"A\"\n[models.x]\ninput = 1\noutput = 1\ntiers = 3 # here\n[plans.a]\n",
            "not a list",
            "above_prompt_tokens",
        ),
        case(
            "product = \"A\"\n[models.x]\ninput = 1\noutput = 1\ntiers = [{ input = 2 }] # here\n[plans.a]\n",
            "does not say where it begins",
            "above_prompt_tokens",
        ),
        case(
            "product = \"A\"\n[models.x]\ninput = 1\noutput = 1\ntiers = [{ above_prompt_tokens = 9 }, { above_prompt_tokens = 9 }] # here\n[plans.a]\n",
            "Two price tiers",
            "Keep one",
        ),
        case(
            "product = \"A\"\n[models]\nx = { input = 1, output = 1 }\n[model_groups]\nbasic = [\"y\"] # here\n[plans.a]\n",
            "names the model `y`, which has no price",
            "[models.\"y\"]",
        ),
        case(
            "product = \"A\"\n[models]\nx = { input = 1, output = 1 }\n[model_groups]\nx = [\"x\"] # here\n[plans.a]\n",
            "names a group and a model",
            "another name",
        ),
        case("product = \"A\"\n[model_groups]\nbasic = \"x\" # here\n[plans.a]\n", "not a list", "brackets"),
    ]);
}

#[test]
fn mistakes_in_plans() {
    check(vec![
        case("product = \"A\"\n[plans]\nfree = 1 # here\n", "not a table", "[plans.free]"),
        case("product = \"A\"\n[plans.\"Free plan\"] # here\n", "cannot name a plan", "lower-case"),
        case("product = \"A\"\n[plans.free]\nrnak = 1 # here\n", "not a setting of plan free", "Did you mean `rank`?"),
        case(
            "product = \"A\"\n[plans.a]\nrank = 1\n[plans.b]\nrank = 1 # here\n",
            "`a` and `b` have the same rank",
            "of its own",
        ),
        case("product = \"A\"\n[plans.a]\nrank = 1\n[plans.b] # here\n", "has no rank", "every plan"),
        case("product = \"A\"\n[plans.a]\nrank = -1 # here\n", "not a whole number from 0", "such a number"),
        case(
            "product = \"A\"\n[plans.a]\npopular = true\n[plans.b]\npopular = true # here\n",
            "both the popular one",
            "on one plan",
        ),
        case("product = \"A\"\n[plans.a]\npopular = \"yes\" # here\n", "is text", "true or false"),
        case("product = \"A\"\n[plans.a]\nselling_points = \"Fast\" # here\n", "not a list of text", "brackets"),
        case(
            "product = \"A\"\n[plans.a]\ntrial_days = 7 # here\n",
            "no price to try it without",
            "Give the plan a price",
        ),
        case("product = \"A\"\n[plans.a]\nprice = 1\ntrial_days = 731 # here\n", "from 0 to 730", "such a number"),
        case("product = \"A\"\n[plans.a]\nprice = 1\ntrial_card = true # here\n", "has no trial", "Add `trial_days`"),
        case("product = \"A\"\n[plans.a]\nrate_multiplier = 0 # here\n", "not from 0.01", "such as 2.0"),
        case("product = \"A\"\n[plans.a]\nrate_multiplier = 1.234 # here\n", "more than 2 decimals", "at most 2"),
    ]);
}

#[test]
fn mistakes_in_prices() {
    check(vec![
        case("product = \"A\"\n[plans.a]\nprice = \"15.001\" # here\n", "more decimals than USD has (2)", "15.00"),
        case(
            "product = \"A\"\ncurrency = \"JPY\"\n[plans.a]\nprice = 1.5 # here\n",
            "more decimals than JPY has (0)",
            "\"15\"",
        ),
        case("product = \"A\"\n[plans.a]\nprice = -15 # here\n", "is negative", "15.00"),
        case("product = \"A\"\n[plans.a]\nprice = \"15,00\" # here\n", "not an amount of money", "15.00"),
        case("product = \"A\"\n[plans.a]\nprice = \"contact us\" # here\n", "cannot be `contact us`", "\"custom\""),
        case("product = \"A\"\n[plans.a]\nprice = true # here\n", "is true or false", "monthly"),
        case(
            "product = \"A\"\n[plans.a]\nprice = { montly = 15 } # here\n",
            "`montly` is not a setting",
            "Did you mean `monthly`?",
        ),
        case("product = \"A\"\n[plans.a]\nprice = {} # here\n", "neither `monthly` nor `annual`", "monthly"),
        case(
            "product = \"A\"\n[plans.a]\nprice = { monthly = 0, annual = 10 } # here\n",
            "nothing for one interval",
            "Leave out",
        ),
        case(
            "product = \"A\"\n[plans.a]\nprice = { monthly = 1, eur = { monthly = 1 } } # here\n",
            "not a currency",
            "\"EUR\"",
        ),
        case(
            "product = \"A\"\n[plans.a]\nprice = { monthly = 1, USD = { monthly = 1 } } # here\n",
            "own currency",
            "without its name",
        ),
        case(
            "product = \"A\"\n[plans.a]\nprice = { monthly = 1, EUR = { annual = 1 } } # here\n",
            "other intervals",
            "same intervals",
        ),
        case(
            "product = \"A\"\n[plans.a]\nstripe = { monthly = \"a\" } # here\n",
            "a Stripe price but no price here",
            "Add `monthly`",
        ),
        case(
            "product = \"A\"\n[plans.a]\nprice = 1\nstripe = { yearly = \"a\" } # here\n",
            "not a setting of the Stripe",
            "Known are",
        ),
        case(
            "product = \"A\"\n[plans.a]\nprice = 1\nstripe = { monthly = \"x\" }\n[plans.b] # here\nprice = 2\nstripe = { monthly = \"x\" }\n",
            "`x` stands for prices of `a` and `b`",
            "of its own",
        ),
    ]);
}

#[test]
fn mistakes_in_limits() {
    check(vec![
        case(
            "product = \"A\"\n[meters.requests]\n[plans.a.limits]\nreqests = 1 # here\n",
            "limits a meter that the catalog does not declare",
            "Did you mean `requests`? Or declare it: [meters.reqests]",
        ),
        case("product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = -1 # here\n", "is negative", "from zero up"),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = \"lots\" # here\n",
            "cannot be `lots`",
            "\"unlimited\"",
        ),
        case("product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = 9200000000000 # here\n", "too large", "less than"),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = 0.0000001 # here\n",
            "more than 6 decimals",
            "at most 6",
        ),
        case(
            "product = \"A\"\n[plans.a.limits]\ncost = \"0.0000000001\" # here\n",
            "more than 9 decimals",
            "at most 9",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { per = \"day\" } # here\n",
            "`amount` of",
            "amount = 1_000",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, per = \"week\" } # here\n",
            "cannot be `week`",
            "`day`",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, each = \"user\" } # here\n",
            "cannot be `user`",
            "`member`",
        ),
        case(
            "product = \"A\"\n[meters.seats]\n[plans.a.limits]\nseats = { amount = 1, per = \"month\" } # here\n",
            "no limit per month",
            "Leave `per` out",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, status = 404 } # here\n",
            "not an answer",
            "429, 402 or 403",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amuont = 1, amount = 2 } # here\n",
            "not a setting of the limit",
            "`amount`",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = [1, { amount = 2, per = \"period\" }] # here\n",
            "Plan a limits `x` twice for each account period",
            "another `per`",
        ),
    ]);
}

#[test]
fn mistakes_in_what_happens_past_a_limit() {
    check(vec![
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, past = \"wran\" } # here\n",
            "cannot be `wran`",
            "`warn`",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, past = 7 } # here\n",
            "is a whole number",
            "up_to",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, past = \"charge\" } # here\n",
            "at what price",
            "charge =",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, past = { each = 1 } } # here\n",
            "`charge` of",
            "charge =",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, past = { charge = 1, each = 0 } } # here\n",
            "is zero",
            "more than zero",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = 1, past = { charge = 1, upto = 1 } } # here\n",
            "not a setting of the charge",
            "Did you mean `up_to`?",
        ),
        case(
            "product = \"A\"\n[meters.x]\n[plans.a.limits]\nx = { amount = \"unlimited\", past = \"warn\" } # here\n",
            "no end",
            "Leave `past` out",
        ),
        case(
            "product = \"A\"\n[meters.seats]\n[plans.a.limits]\nseats = { amount = 1, past = { charge = 1 } } # here\n",
            "is a level",
            "\"block\" or \"warn\"",
        ),
    ]);
}

#[test]
fn mistakes_in_features() {
    check(vec![
        case("product = \"A\"\n[plans.a.features]\nsso = \"yes\" # here\n", "is text", "true, false"),
        case("product = \"A\"\n[plans.a.features]\nsso = 1.5 # here\n", "is a decimal number", "whole number"),
        case("product = \"A\"\n[plans.a.features]\nformats = [1] # here\n", "is a whole number", "quotes"),
        case("product = \"A\"\n[plans.a.features]\n\"SSO\" = true # here\n", "cannot name a feature", "lower-case"),
        case(
            "product = \"A\"\n[plans.a.features]\nallowed_models = true # here\n",
            "is true or false",
            "[\"*\"] for all",
        ),
        case(
            "product = \"A\"\n[models]\n\"gpt-4o\" = \"openai\"\n[plans.a.features]\nallowed_models = [\"gpt4o\"] # here\n",
            "neither a model nor a group",
            "Did you mean `gpt-4o`?",
        ),
        case(
            "product = \"A\"\n[plans.a.features]\nallowed_models = [\"x\"]\n[plans.b] # here\n",
            "does not say which models it allows, while plan `a` does",
            "allowed_models = [\"*\"]",
        ),
    ]);
}

#[test]
fn every_mistake_of_a_file_is_found_in_its_order() {
    let file = "currency = \"usd\"\n[meters.requests]\n[plans.free]\nprice = -1\n[plans.free.limits]\nreqests = 1\n";
    let mistakes = catalog::parse(file).expect_err("a file with four mistakes");
    let places: Vec<(usize, usize)> = mistakes.iter().map(|mistake| (mistake.line, mistake.column)).collect();
    assert_eq!(places, [(1, 1), (1, 12), (4, 9), (6, 1)]);
    assert_eq!(
        mistakes[3].to_string(),
        "line 6, column 1: `reqests` of the limits of plan free limits a meter that the catalog does not declare. \
         Did you mean `requests`? Or declare it: [meters.reqests]."
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        let _ = catalog::parse(&text);
    }

    /// A good file with a piece cut out and another put in comes closer to mistakes that people make.
    #[test]
    fn a_spoiled_catalog_is_read_without_a_panic(
        from in 0usize..4_000, length in 0usize..60, put_in in "[a-z0-9=\\[\\]{}\".,_ \n-]{0,20}",
    ) {
        let source = include_str!("../../../catalogs/starter.toml");
        let letters: Vec<char> = source.chars().collect();
        let from = from.min(letters.len());
        let until = (from + length).min(letters.len());
        let spoiled: String = letters[..from].iter().copied().chain(put_in.chars()).chain(letters[until..].iter().copied()).collect();
        let _ = catalog::parse(&spoiled);
    }
}
