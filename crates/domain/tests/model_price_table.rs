//! Writes and checks `data/model-prices.tsv`, the table of published model prices.
//!
//! After `cargo update -p genai-prices` the test fails and says how to write the table anew; the diff of the table shows
//! what has become dearer. Prices are taken as the decimal text that the data is written in, never through a float.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::catalog::model_prices;
use domain::money::PicoUsd;
use serde::Deserialize;
use serde_json::value::RawValue;

const WRITE: &str = "WRITE_MODEL_PRICES_AS_OF";

const KINDS: [(&str, &str); 7] = [
    ("input_mtok", "input"),
    ("output_mtok", "output"),
    ("cache_read_mtok", "cached"),
    ("cache_write_mtok", "cache_write"),
    ("output_reasoning_mtok", "reasoning"),
    ("input_audio_mtok", "audio_input"),
    ("output_audio_mtok", "audio_output"),
];

#[derive(Deserialize)]
struct Provider {
    id: String,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    /// A map of prices, or a list of such maps and when each holds.
    prices: Box<RawValue>,
}

type Prices = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Conditional {
    #[serde(default)]
    constraint: BTreeMap<String, String>,
    prices: Prices,
}

#[derive(Deserialize)]
struct Tiered {
    base: Box<RawValue>,
    tiers: Vec<Tier>,
}

#[derive(Deserialize)]
struct Tier {
    start: u64,
    price: Box<RawValue>,
}

#[test]
fn the_table_is_what_the_crate_publishes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/model-prices.tsv");
    let written = std::env::var(WRITE).ok();
    let as_of = written.clone().unwrap_or_else(|| model_prices::as_of().to_owned());
    let table = write_table(&as_of);
    if written.is_some() {
        std::fs::write(&path, &table).expect("the table can be written");
        return;
    }
    let checked_in = std::fs::read_to_string(&path).expect("the table can be read");
    assert!(
        checked_in == table,
        "data/model-prices.tsv is not what genai-prices publishes. Write it anew with \
         `{WRITE}=<today, such as 2026-11-01> cargo test -p domain --test model_price_table` and look at its diff."
    );
}

fn write_table(as_of: &str) -> String {
    let data = std::fs::read_to_string(published_data()).expect("the crate's data can be read");
    let providers: Vec<Provider> = serde_json::from_str(&data).expect("the crate's data has the known shape");
    let mut rows: Vec<String> = Vec::new();
    for provider in &providers {
        for model in &provider.models {
            if let Some(prices) = row(&model.prices, as_of) {
                rows.push(format!("{}\t{}\t{prices}\n", provider.id, model.id));
            }
        }
    }
    rows.sort();
    format!(
        "# Published model prices in dollars for a million tokens: provider, model, prices.\n\
         # Written by tests/model_price_table.rs from genai-prices, copyright Pydantic Services Inc., MIT licence.\n\
         # as of {as_of}\n{}",
        rows.concat()
    )
}

/// The crate does not hand out its price table, only sums in floats, so its data is read where Cargo unpacked it.
fn published_data() -> PathBuf {
    let lock_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock: toml::Table = std::fs::read_to_string(lock_file).expect("a lock file").parse().expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"].as_str() == Some("genai-prices"));
    let version = package.and_then(|package| package["version"].as_str()).expect("genai-prices is locked");
    let cargo_home = std::env::var("CARGO_HOME").map(PathBuf::from).unwrap_or_else(|_| {
        let home = std::env::home_dir().expect("a home directory");
        home.join(".cargo")
    });
    let registries = std::fs::read_dir(cargo_home.join("registry/src")).expect("Cargo's unpacked packages");
    registries
        .map(|registry| registry.expect("a directory").path().join(format!("genai-prices-{version}/data/prices.json")))
        .find(|path| path.exists())
        .expect("the package that was just compiled is unpacked")
}

/// The prices that hold on the day. The last that has begun does; cheaper hours of the day are not followed.
fn prices_on(published: &RawValue, as_of: &str) -> Option<Prices> {
    if let Ok(prices) = serde_json::from_str(published.get()) {
        return Some(prices);
    }
    let all: Vec<Conditional> = serde_json::from_str(published.get()).expect("prices have one of two shapes");
    let begun = |conditional: &Conditional| match conditional.constraint.get("start_date") {
        Some(start) => start.as_str() <= as_of,
        None => conditional.constraint.is_empty(),
    };
    Some(all.into_iter().rev().find(begun)?.prices)
}

fn row(published: &RawValue, as_of: &str) -> Option<String> {
    let prices = prices_on(published, as_of)?;
    let mut base: BTreeMap<&str, String> = BTreeMap::new();
    let mut starts: BTreeMap<u64, BTreeMap<&str, String>> = BTreeMap::new();
    for (published, kind) in KINDS {
        let Some(raw) = prices.get(published) else { continue };
        match serde_json::from_str::<Tiered>(raw.get()) {
            Ok(tiered) => {
                base.insert(kind, rounded(tiered.base.get()));
                for tier in tiered.tiers {
                    starts.entry(tier.start).or_default().insert(kind, rounded(tier.price.get()));
                }
            }
            Err(_) => {
                base.insert(kind, rounded(raw.get()));
            }
        }
    }
    base.get("input")?;
    base.entry("output").or_insert_with(|| "0".to_owned());
    let mut text = line(&base);
    let mut reached = base;
    for (start, changed) in starts {
        reached.extend(changed);
        text.push_str(&format!(" above={start} {}", line(&reached)));
    }
    Some(text)
}

fn line(prices: &BTreeMap<&str, String>) -> String {
    let parts = KINDS.iter().filter_map(|(_, kind)| Some(format!("{kind}={}", prices.get(kind)?)));
    parts.collect::<Vec<_>>().join(" ")
}

/// Published text with six decimals at most; the few that have more are rounded half to even.
fn rounded(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{text} is plain decimal");
    let (kept, dropped) = fraction.split_at(fraction.len().min(6));
    let exact = PicoUsd::parse_per_million_tokens(&format!("{whole}.{kept:0<6}")).expect("a published price");
    let half = format!("5{}", "0".repeat(dropped.len().saturating_sub(1)));
    let up = match dropped.cmp(half.as_str()) {
        _ if dropped.is_empty() => 0,
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => exact.pico() % 2,
        std::cmp::Ordering::Greater => 1,
    };
    PicoUsd::from_pico(exact.pico() + up).per_million_tokens()
}
