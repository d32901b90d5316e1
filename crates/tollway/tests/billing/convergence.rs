//! Money converges: whatever customers and people at Stripe's dashboard do, however webhooks travel, in the end the
//! server says what Stripe says.
//!
//! Many customers live on one server and one timeline. What each does is in [`history`], what must be so afterwards, read
//! from Stripe's own objects, in [`oracle`]. A failure names its seed; `TOLLWAY_TEST_BILLING_SEED` plays that one alone, and
//! `TOLLWAY_TEST_HISTORIES` says how many histories are played in all; a thousand are, when nobody says.

mod history;
mod oracle;
mod usage;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use testkit::random::Random;
use testkit::server::{Engine, Start, TestServer, fresh_folder};

use super::{CATALOG, DAY};
use crate::stage::{Shop, StandIn, TOLLWAY, TextFile};
use history::{Customer, Prices, Town};

/// Customers of one server.
const CUSTOMERS: usize = 125;
/// On both engines together, when nobody asks for more.
const USUAL_HISTORIES: u64 = 1_000;
const ROUNDS: usize = 7;
/// Who does something in a round, of a hundred.
const BUSY_PERCENT: usize = 70;
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn every_history_ends_as_stripe_says_on_sqlite() {
    tell_histories("SQLite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_history_ends_as_stripe_says_on_postgresql() {
    tell_histories("PostgreSQL").await;
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

async fn tell_histories(engine: &str) {
    let histories = usize::try_from(number("TOLLWAY_TEST_HISTORIES").unwrap_or(USUAL_HISTORIES)).unwrap_or(0) / 2;
    let seeds: Vec<u64> = match number("TOLLWAY_TEST_BILLING_SEED") {
        Some(seed) => vec![seed],
        None => (1..=histories.div_ceil(CUSTOMERS) as u64).collect(),
    };
    for seed in seeds {
        let Some(engine) = Engine::all().into_iter().find(|found| found.name() == engine) else { return };
        println!("TOLLWAY_TEST_BILLING_SEED={seed}");
        tell_one(&engine, seed, histories.min(CUSTOMERS)).await;
    }
}

async fn tell_one(engine: &Engine, seed: u64, customers: usize) {
    let mut random = Random::seeded(seed);
    let catalog = TextFile::new("catalog.toml", CATALOG);
    let stand_in = StandIn::start().await;
    stand_in.put_up(catalog.path()).await;
    let folder = fresh_folder();
    let server = TestServer::start(&Start {
        program: TOLLWAY,
        database: if let Engine::Postgres(database) = engine { Some(database.url()) } else { None },
        folder: folder.clone(),
        arguments: vec!["--catalog".into(), catalog.path().into()],
        environment: stand_in.environment(),
    });
    stand_in.tell(&server).await;
    let prices = Prices::read(&stand_in).await;
    let town = Town { server: &server, stand_in: &stand_in, prices: &prices };
    let mut customers: Vec<Customer> = (0..customers).map(|place| Customer::new(place, random.bits())).collect();
    for round in 0..ROUNDS {
        let travel = travel(&mut random);
        stand_in.steer("webhooks", travel).await;
        let percent = if round == 0 { 100 } else { BUSY_PERCENT };
        customers = stream::iter(customers)
            .map(async |mut customer| {
                if customer.random.chance(percent) {
                    customer.act(&town).await;
                }
                customer
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        if random.chance(50) {
            stand_in.steer("webhooks/release", json!({})).await;
        }
        server.advance(leap(&mut random)).await;
        stand_in.follow(&server).await;
        if random.chance(50) {
            Shop::at(&server, &stand_in).settled().await;
        }
    }
    settle(&town, &customers, &mut random).await;
    oracle::judge(&town, &customers).await;
    drop(server);
    let _ = std::fs::remove_dir_all(folder);
}

/// How webhooks travel for a while.
fn travel(random: &mut Random) -> Value {
    let lost = [0, 0, 20, 50, 90, 100];
    json!({
        "lose": random.pick(&lost), "double": random.below(60), "shuffle": random.chance(60), "hold": random.chance(25),
        "seed": random.below(1_000_000),
    })
}

/// How far the clock goes ahead.
fn leap(random: &mut Random) -> i64 {
    match random.below(6) {
        0 => random.between(60, 5_400),
        1 => random.between(3_600, 80_000),
        2 => random.between(DAY, 6 * DAY),
        3 | 4 => random.between(8 * DAY, 27 * DAY),
        _ => random.between(28 * DAY, 45 * DAY),
    }
}

/// What is held is sent or lost; then all is compared, and a second comparison finds nothing.
async fn settle(town: &Town<'_>, customers: &[Customer], random: &mut Random) {
    let shop = Shop::at(town.server, town.stand_in);
    town.stand_in.steer("webhooks", json!({})).await;
    if random.chance(50) {
        town.stand_in.steer("webhooks/release", json!({})).await;
        shop.settled().await;
    }
    compare(town, customers).await;
    shop.settled().await;
    let again = compare(town, customers).await;
    assert!(again.is_empty(), "a second comparison finds nothing: {again:#?}");
    shop.settled().await;
}

/// What a comparison of each finds.
async fn compare(town: &Town<'_>, customers: &[Customer]) -> Vec<Value> {
    let compared = stream::iter(customers).map(async |customer| {
        let body = json!({ "external_id": customer.id });
        let answer = town.server.post("/api/v1/admin/reconcile", body).await.expect(200).json();
        (answer["found"] != json!([])).then_some(answer)
    });
    compared.buffer_unordered(AT_ONCE).filter_map(async |found| found).collect().await
}
