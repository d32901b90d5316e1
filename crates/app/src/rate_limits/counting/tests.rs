//! Two nodes and a real Redis, which goes away and comes back.

use std::time::Duration;

use domain::catalog::RateLimit;
use domain::time::Timestamp;
use providers::secret::SecretText;
use providers::shared_limits::SharedLimits;
use testkit::random::Random;
use testkit::redis::Redis;

use super::*;

const LIMIT: RateLimit = RateLimit { requests: 5, window_seconds: 60 };
const ADA: &[&str] = &["ada"];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + millis * 1000)
}

fn client(redis: &Redis) -> SharedLimits {
    SharedLimits::new(&SecretText::new(redis.url())).expect("an address of Redis")
}

/// A node that has reached Redis.
async fn node(redis: &Redis) -> RateLimits {
    let node = RateLimits::shared(client(redis));
    reached(&node).await;
    node
}

/// Waits until a node counts in Redis.
async fn reached(node: &RateLimits) {
    let shared = node.shared.as_ref().expect("it was given one");
    let asking = async {
        while shared.limits.counted(&["none".into()]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.expect("Redis is reached within ten seconds");
}

fn remaining(counted: Counted) -> Option<u32> {
    match counted {
        Counted::Counted { remaining } => Some(remaining),
        Counted::Refused { .. } => None,
    }
}

#[tokio::test]
async fn two_nodes_share_one_limit() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (node(&redis).await, node(&redis).await);
    for left in (0..5).rev() {
        let node = if left % 2 == 0 { &one } else { &other };
        assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(0)).await), Some(left));
    }
    assert_eq!(one.take(LIMIT, "api", ADA, at(1_000)).await, Counted::Refused { wait_micros: 59_000_000 });
    assert_eq!(other.take(LIMIT, "api", ADA, at(1_000)).await, Counted::Refused { wait_micros: 59_000_000 });
    assert_eq!(remaining(one.take(LIMIT, "login", ADA, at(1_000)).await), Some(4));
    assert_eq!(
        other.standing(&[("api", LIMIT), ("login", LIMIT)], "ada", at(1_000)).await,
        [(5, 59_000_000), (1, 60_000_000)]
    );
    other.clear(&["api"], "ada").await;
    assert_eq!(remaining(one.take(LIMIT, "api", ADA, at(1_000)).await), Some(4));
    assert_eq!(remaining(one.take(LIMIT, "login", ADA, at(1_000)).await), Some(3));
}

#[tokio::test]
async fn who_is_past_the_rate_makes_the_others_wait_and_count_nothing() {
    let Some(redis) = Redis::start() else { return };
    let node = node(&redis).await;
    for attempt in 0..5 {
        let address = format!("address {attempt}");
        assert_eq!(remaining(node.take(LIMIT, "login", &["ada", &address], at(0)).await), Some(4 - attempt));
    }
    let refused = node.take(LIMIT, "login", &["address 0", "ada"], at(1_000)).await;
    assert_eq!(refused, Counted::Refused { wait_micros: 59_000_000 });
    assert_eq!(node.standing(&[("login", LIMIT)], "address 0", at(1_000)).await, [(1, 59_000_000)]);
}

/// The script and the memory are two tellings of one rule: whatever comes, they answer alike.
#[tokio::test]
async fn redis_counts_as_this_process_does() {
    let Some(redis) = Redis::start() else { return };
    for seed in 0..8 {
        let shared = node(&redis).await;
        let here = InMemory::default();
        let mut random = Random::seeded(seed);
        let limit = RateLimit { requests: 3 + seed as u32 * 7, window_seconds: 10 };
        let mut millis = 0;
        for call in 0..400 {
            millis += random.between(0, 900);
            // A plan that changes now and then.
            let requests = if random.chance(10) { limit.requests / 2 } else { limit.requests };
            let limit = RateLimit { requests, ..limit };
            let (ada, bob) = (format!("ada {seed}"), format!("bob {seed}"));
            let named: &[&str] = if random.chance(50) { &[&ada] } else { &[&ada, &bob] };
            let (told, expected) =
                (shared.take(limit, "api", named, at(millis)).await, here.take(limit, "api", named, at(millis)));
            assert_eq!(told, expected, "seed {seed}, call {call}");
        }
    }
}

#[tokio::test]
async fn a_node_whose_clock_is_behind_takes_nothing_away_and_gives_nothing() {
    let Some(redis) = Redis::start() else { return };
    let node = node(&redis).await;
    assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(800)).await), Some(4));
    for left in (0..4).rev() {
        assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(0)).await), Some(left));
    }
    assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(60_799)).await), None);
    assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(60_800)).await), Some(4));
}

#[tokio::test]
async fn without_redis_each_node_counts_by_itself_and_goes_back_when_it_is_there_again() {
    let Some(mut redis) = Redis::start() else { return };
    let (one, other) = (node(&redis).await, node(&redis).await);
    for node in [&one, &one, &one, &other] {
        assert!(remaining(node.take(LIMIT, "api", ADA, at(0)).await).is_some());
    }
    redis.kill();
    // What a node let through itself it still knows.
    assert_eq!(remaining(one.take(LIMIT, "api", ADA, at(0)).await), Some(1));
    assert_eq!(remaining(other.take(LIMIT, "api", ADA, at(0)).await), Some(3));
    assert_eq!(other.standing(&[("api", LIMIT)], "ada", at(0)).await, [(2, 60_000_000)]);
    redis.start_again();
    reached(&one).await;
    reached(&other).await;
    for left in (0..5).rev() {
        let node = if left % 2 == 0 { &one } else { &other };
        assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(1_000)).await), Some(left));
    }
    assert_eq!(remaining(other.take(LIMIT, "api", ADA, at(1_000)).await), None);
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_once_and_not_for_long() {
    let Some(redis) = Redis::start() else { return };
    let node = node(&redis).await;
    assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(0)).await), Some(4));
    redis.pause();
    let begun = tokio::time::Instant::now();
    for left in (0..4).rev() {
        assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(0)).await), Some(left));
    }
    // One wait of 50 ms, not four; the rest is what a busy machine may take.
    assert!(begun.elapsed() < Duration::from_millis(190), "{:?}", begun.elapsed());
    assert_eq!(remaining(node.take(LIMIT, "api", ADA, at(0)).await), None);
    redis.resume();
    reached(&node).await;
    assert!(remaining(node.take(LIMIT, "api", &["bob"], at(0)).await).is_some());
}

#[tokio::test]
async fn keys_expire_and_hold_no_name() {
    let Some(redis) = Redis::start() else { return };
    let node = node(&redis).await;
    let short = RateLimit { requests: 5, window_seconds: 1 };
    assert_eq!(remaining(node.take(short, "api", &["ada@example.com"], at(0)).await), Some(4));
    let key = key("api", "ada@example.com");
    assert!(!key.contains("ada") && key.len() == "tollway:rate:".len() + 32, "{key}");
    let limits = client(&redis);
    limits.connect().await.expect("Redis is there");
    assert_eq!(limits.counted(std::slice::from_ref(&key)).await.expect("an answer")[0].len(), 1);
    let expiring = async {
        while !limits.counted(std::slice::from_ref(&key)).await.expect("an answer")[0].is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), expiring).await.expect("it expires");
}
