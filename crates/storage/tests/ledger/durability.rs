//! Killed at random moments under load: what was answered is there once, no limit is passed, balances equal the fold.
//!
//! The child is this test binary again, told by a variable to be the server. It says on its output what it was answered;
//! the parent kills it and looks at what is on the disk.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use domain::ids::{AccountId, EventId};
use storage::ledger::{Answer, LedgerSettings};
use storage::{Clock, DatabaseUrl};
use testkit::random::Random;

use super::node::*;

const ROUNDS: u64 = 30;
const CHILD: &str = "TOLLWAY_TEST_LEDGER_CHILD";
const DATABASE: &str = "TOLLWAY_TEST_LEDGER_DATABASE";
const SEED: &str = "TOLLWAY_TEST_LEDGER_SEED";

/// Not a test by itself: the server that is killed. Does nothing unless the parent has started it.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(account), Ok(url)) = (env::var(CHILD), env::var(DATABASE)) else { return };
    let account = AccountId::parse(&account).expect("an account");
    let url = DatabaseUrl::parse(&url).expect("a database");
    let seed: u64 = env::var(SEED).ok().and_then(|seed| seed.parse().ok()).expect("a seed");
    let node = Node::open(&url, Arc::new(Clock::new()), LedgerSettings::default()).await.expect("the database opens");
    println!("open");
    for worker in 0..8 {
        let node = node.clone();
        tokio::spawn(async move {
            let mut key = (seed * 8 + worker) * 1_000_000;
            loop {
                key += 1;
                let answer = node.ask(node.consuming(account, 1).keyed(key)).await;
                let event = match answer {
                    Ok(Answer::Judged(domain::ledger::Outcome::Accepted(accepted))) => accepted.event.id,
                    Ok(Answer::Judged(domain::ledger::Outcome::Denied(_))) => return,
                    other => panic!("{other:?}"),
                };
                // One line and one write a time, so that a kill leaves no half of a line that counts.
                let line = format!("{key} {event}\n");
                std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent listens");
            }
        });
    }
    std::future::pending::<()>().await;
}

fn start(account: AccountId, url: &str, seed: u64) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["ledger::durability::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, account.to_string()).env(DATABASE, url).env(SEED, seed.to_string());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Runs the child until it has said so many answers, kills it, and takes in everything that it had said.
fn run_and_kill(account: AccountId, url: &str, seed: u64) -> BTreeMap<u64, EventId> {
    let mut random = Random::seeded(seed);
    let (mut child, mut output) = start(account, url, seed);
    let enough = random.below(60);
    let mut said = BTreeMap::new();
    let mut line = String::new();
    let mut killed = false;
    while output.read_line(&mut line).unwrap() > 0 {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        if let (true, [key, event]) = (line.ends_with('\n'), words.as_slice())
            && let (Ok(key), Some(event)) = (key.parse(), EventId::parse(event))
        {
            said.insert(key, event);
        }
        line.clear();
        if said.len() >= enough && !killed {
            // SIGKILL: nothing of the process runs any more.
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} answers", said.len());
    said
}

async fn survives_being_killed(place: Place) {
    let (node, account) = place.node().await;
    node.upgrade(account).await;
    node.database.close().await;
    drop(node);
    let url = match &place.url {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(url) => url.clone(),
    };
    let mut answered = BTreeMap::new();
    for round in 0..ROUNDS {
        let url = url.clone();
        let said = tokio::task::spawn_blocking(move || run_and_kill(account, &url, round)).await.unwrap();
        let node = place.open().await;
        let again = node.ask_all(said.keys().map(|key| node.consuming(account, 1).keyed(*key)).collect()).await;
        assert!(again.into_iter().map(replayed).eq(said.values().copied()), "round {round}");
        answered.extend(said);
        let (used, events) = (node.usage(account).await.0, node.events(account).await);
        assert_eq!(used, events, "round {round}");
        assert_eq!(node.days(account).await, (used, events), "round {round}");
        assert!(used >= answered.len() as i64 && used <= 10_000, "{used} are there, {} answered", answered.len());
        node.must_be_exact().await;
        node.database.close().await;
    }
    let node = place.open().await;
    let again = node.ask_all(answered.keys().map(|key| node.consuming(account, 1).keyed(*key)).collect()).await;
    assert!(again.into_iter().map(replayed).eq(answered.values().copied()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_has_kept_on_sqlite_all_that_it_answered() {
    survives_being_killed(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_has_kept_on_postgres_all_that_it_answered() {
    let Some(place) = Place::postgres() else { return };
    survives_being_killed(place).await;
}

#[test]
fn a_second_process_on_a_file_is_refused_in_plain_words() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = Place::sqlite();
    let (_node, account) = runtime.block_on(place.node());
    let DatabaseUrl::Sqlite(path) = &place.url else { unreachable!("a file") };
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["ledger::durability::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, account.to_string()).env(DATABASE, path).env(SEED, "0");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Owned"), "{said}");
}
