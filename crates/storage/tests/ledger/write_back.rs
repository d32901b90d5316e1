//! What a batch on SQLite leaves in its redo log comes to its tables later: exactly once, whatever happens between, and
//! nobody sees that it is late.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::AccountId;
use domain::ledger::Scopes;
use storage::ledger::{Freshness, LedgerSettings};
use storage::records::usage_daily::{self, Days};
use storage::{DatabaseUrl, Tx};
use testkit::random::Random;

use super::node::*;

const ALL_DAYS: Days = Days { first: 0, last: 1_000_000 };

/// Nothing is written back because time passes.
fn patient() -> LedgerSettings {
    LedgerSettings { write_back_after: Duration::from_secs(3_600), ..LedgerSettings::default() }
}

/// Batches write back when more than so many balances wait.
fn bounded(balances: usize) -> LedgerSettings {
    LedgerSettings { unwritten_balances: balances, ..patient() }
}

/// Used requests by account, in the table itself.
async fn table_of_balances(node: &Node) -> BTreeMap<AccountId, i64> {
    let read = |tx: &mut Tx<'_>| {
        let rows = tx.query("SELECT account_id, used FROM balances WHERE meter = 'requests'", &[])?;
        rows.iter()
            .map(|row| Ok((row.parsed("account_id", AccountId::parse)?, row.integer("used")? / units(1))))
            .collect()
    };
    node.database.read::<_, storage::StorageError, _>("read_balances", read).await.unwrap()
}

/// Used requests and events by account, in the table of days itself.
async fn table_of_days(node: &Node) -> BTreeMap<AccountId, (i64, i64)> {
    let read = |tx: &mut Tx<'_>| {
        let rows = tx.query(
            "SELECT account_id, CAST(SUM(amount) AS BIGINT) AS amount, CAST(SUM(events) AS BIGINT) AS events \
             FROM usage_daily WHERE meter = 'requests' GROUP BY account_id",
            &[],
        )?;
        rows.iter()
            .map(|row| {
                let sums = (row.integer("amount")? / units(1), row.integer("events")?);
                Ok((row.parsed("account_id", AccountId::parse)?, sums))
            })
            .collect()
    };
    node.database.read::<_, storage::StorageError, _>("read_days", read).await.unwrap()
}

async fn rows_of_the_log(node: &Node) -> i64 {
    let read = |tx: &mut Tx<'_>| {
        let row = tx.query_optional("SELECT COUNT(*) AS count FROM ledger_redo", &[])?;
        row.expect("a count has a row").integer("count")
    };
    node.database.read("count_rows", read).await.unwrap()
}

async fn many_accounts(node: &Node, count: usize) -> Vec<AccountId> {
    let mut accounts = Vec::new();
    for _ in 0..count {
        accounts.push(node.new_account().await);
    }
    accounts
}

/// What was accepted: used requests and events by account.
#[derive(Clone, Default)]
struct Truth(BTreeMap<AccountId, (i64, i64)>);

impl Truth {
    /// Consumes once or twice for some of the accounts, side by side.
    async fn consume(&mut self, node: &Node, accounts: &[AccountId], random: &mut Random) {
        let mut asked = Vec::new();
        for _ in 0..=random.below(12) {
            let account = accounts[random.below(accounts.len())];
            asked.push((account, 1 + random.below(2) as i64));
        }
        let requests = asked.iter().map(|(account, amount)| node.consuming(*account, *amount)).collect();
        for (answer, (account, amount)) in node.ask_all(requests).await.into_iter().zip(asked) {
            if is_accepted(&answer) {
                let sums = self.0.entry(account).or_default();
                *sums = (sums.0 + amount, sums.1 + 1);
            }
        }
    }

    /// The tables say it, and they alone.
    async fn must_be_in_the_tables(&self, node: &Node) {
        assert_eq!(rows_of_the_log(node).await, 0);
        assert_eq!(node.ledger.unwritten(), (0, 0));
        assert_eq!(table_of_days(node).await, self.0);
        let used: BTreeMap<AccountId, i64> = self.0.iter().map(|(account, sums)| (*account, sums.0)).collect();
        assert_eq!(table_of_balances(node).await, used);
        node.must_be_exact().await;
    }
}

/// What a kill at this moment leaves: the file and its log, while the process that owns them goes on.
async fn killed_and_opened_again(place: &Place, life: u32, settings: LedgerSettings) -> Node {
    let DatabaseUrl::Sqlite(path) = &place.url else { unreachable!("a file") };
    let name = |life: u32| if life == 0 { path.clone() } else { path.with_extension(format!("life-{life}")) };
    let copy = |ending: &str| {
        let with = |path: &Path| format!("{}{ending}", path.display());
        std::fs::copy(with(&name(life)), with(&name(life + 1))).unwrap();
    };
    copy("");
    copy("-wal");
    let url = DatabaseUrl::Sqlite(name(life + 1));
    Node::open(&url, Arc::new(storage::Clock::new()), settings).await.expect("what was left opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_and_doubles_nothing_that_was_partly_written_back() {
    for seed in 0..6 {
        let place = Place::sqlite();
        let (node, _) = place.node_with(bounded([1, 10, 1_000][seed as usize % 3])).await;
        let (mut random, mut truth) = (Random::seeded(seed), Truth::default());
        let accounts = many_accounts(&node, 40).await;
        for _ in 0..60 {
            truth.consume(&node, &accounts, &mut random).await;
            match random.below(20) {
                0 => node.database.write_back().await.unwrap(),
                1..5 => {
                    let account = accounts[random.below(40)];
                    node.database.write_back_of(account).await.unwrap();
                }
                _ => {}
            }
        }
        // The last thing before the kill was a batch, so that something waits.
        truth.consume(&node, &accounts, &mut random).await;
        assert!(rows_of_the_log(&node).await > 0);
        let next = killed_and_opened_again(&place, 0, patient()).await;
        truth.must_be_in_the_tables(&next).await;
        truth.consume(&next, &accounts, &mut random).await;
        next.must_be_exact().await;
        next.database.write_back().await.unwrap();
        truth.must_be_in_the_tables(&next).await;
        node.database.close().await;
        next.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_sums_are_exact_after_kill_upon_kill() {
    let place = Place::sqlite();
    let (mut node, _) = place.node_with(bounded(4)).await;
    let (mut random, mut truth) = (Random::seeded(7), Truth::default());
    let accounts = many_accounts(&node, 12).await;
    for life in 0..12 {
        for _ in 0..random.below(30) {
            truth.consume(&node, &accounts, &mut random).await;
        }
        let next = killed_and_opened_again(&place, life, bounded(random.below(8))).await;
        truth.must_be_in_the_tables(&next).await;
        node.database.close().await;
        node = next;
    }
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_right_after_an_answer_sees_it_although_memory_has_lost_the_account() {
    let settings = LedgerSettings { remembered_accounts: 0, ..patient() };
    let place = Place::sqlite();
    let (node, _) = place.node_with(settings).await;
    let accounts = many_accounts(&node, 200).await;
    node.ask_all(accounts.iter().map(|account| node.consuming(*account, 3)).collect()).await;
    assert!(node.ledger.remembered_accounts() < 130 && node.ledger.unwritten().0 >= 200);
    for account in &accounts {
        assert_eq!(node.usage(*account).await, (3, 0));
    }
    // Reading has written nothing, and the writer goes on from what waits.
    assert!(node.ledger.unwritten().0 >= 200);
    for account in &accounts {
        assert!(is_denied(&node.consume(*account, 98).await));
        accepted(node.consume(*account, 97).await);
        assert_eq!(node.usage(*account).await, (100, 0));
    }
    node.must_be_exact().await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_found_by_its_name_is_remembered_as_it_stands() {
    for place in Place::both() {
        let (node, account) = place.node_with(LedgerSettings { remembered_accounts: 1_000, ..patient() }).await;
        let name = "UPDATE accounts SET external_id = 'ada' WHERE id = $1";
        node.write(move |tx| tx.execute(name, &[account.into()])).await;
        assert_eq!(node.ledger.account_named("ada").await.unwrap(), Some(account));
        assert_eq!(node.ledger.account_named("bob").await.unwrap(), None);
        assert_eq!(node.ledger.remembered_accounts(), 1);
        accepted(node.consume(account, 100).await);
        assert!(is_denied(&node.consume(account, 1).await));
        // A change of plan makes memory forget the account, while what it used still waits to be written.
        node.upgrade(account).await;
        assert_eq!(node.ledger.account_named("ada").await.unwrap(), Some(account));
        assert_eq!(node.usage(account).await, (100, 0));
        accepted(node.consume(account, 9_900).await);
        assert!(is_denied(&node.consume(account, 1).await));
        node.must_be_exact().await;
        node.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_less_than_was_answered_while_others_write() {
    let settings = LedgerSettings { remembered_accounts: 0, ..bounded(20) };
    let place = Place::sqlite();
    let (node, _) = place.node_with(settings).await;
    let accounts = many_accounts(&node, 60).await;
    let mut asking = Vec::new();
    for mine in accounts.chunks(10) {
        let (node, mine) = (node.clone(), mine.to_vec());
        asking.push(tokio::spawn(async move {
            for round in 1..=20 {
                for account in &mine {
                    accepted(node.consume(*account, 1).await);
                    // One that has expired when it is read, so that what it holds is subtracted.
                    accepted(node.ask(node.reserving(*account, 1, 0).1).await);
                    let standing = node.ledger.limits(*account, &Scopes::default(), Freshness::Exact).await;
                    let limits = standing.unwrap().unwrap().limits;
                    let requests = limits.iter().find(|limit| limit.meter.as_str() == "requests").unwrap();
                    assert_eq!((requests.used, requests.reserved), (units(round), 0));
                }
            }
        }));
    }
    for asked in asking {
        asked.await.unwrap();
    }
    node.must_be_exact().await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_sums_are_current_once_they_were_written_back() {
    on_both(|node, account| async move {
        for count in 1..=3 {
            accepted(node.consume(account, 5).await);
            node.database.write_back_of(account).await.unwrap();
            let totals = node.database.read("totals", move |tx| usage_daily::totals(tx, account, ALL_DAYS)).await;
            let totals: Vec<_> = totals.unwrap().into_iter().map(|sum| (sum.amount, sum.events)).collect();
            assert_eq!(totals, [(units(5 * count), count)]);
        }
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_verified_while_most_of_it_waits() {
    let place = Place::sqlite();
    let (node, _) = place.node_with(bounded(30)).await;
    let accounts = many_accounts(&node, 40).await;
    let busy = tokio::spawn({
        let node = node.clone();
        async move {
            let mut random = Random::seeded(3);
            for _ in 0..200 {
                Truth::default().consume(&node, &accounts, &mut random).await;
            }
        }
    });
    let mut seen_waiting = 0;
    while !busy.is_finished() {
        seen_waiting = seen_waiting.max(node.ledger.unwritten().0);
        node.must_be_exact().await;
    }
    busy.await.unwrap();
    assert!(seen_waiting > 20, "{seen_waiting} balances waited while the ledger was verified");
    node.must_be_exact().await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_waits_than_may_and_the_log_stays_short() {
    let place = Place::sqlite();
    let (node, _) = place.node_with(bounded(100)).await;
    let accounts = many_accounts(&node, 1_500).await;
    let (mut most, mut longest) = ((0, 0), 0);
    for _ in 0..4 {
        for some in accounts.chunks(50) {
            node.ask_all(some.iter().map(|account| node.consuming(*account, 1)).collect()).await;
            let waiting = node.ledger.unwritten();
            most = (most.0.max(waiting.0), most.1.max(waiting.1));
            longest = longest.max(rows_of_the_log(&node).await);
        }
    }
    // Up to a batch more: what waited before it is looked at, and a batch of fifty writes 256 back.
    assert!((100..=200).contains(&most.0) && (50..=200).contains(&most.1), "{most:?} waited");
    assert!(longest <= 400, "the log had {longest} rows");
    node.must_be_exact().await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_file_says_everything_in_its_tables() {
    let place = Place::sqlite();
    let settings = LedgerSettings { write_back_after: Duration::from_millis(20), ..LedgerSettings::default() };
    let (node, _) = place.node_with(settings).await;
    let accounts = many_accounts(&node, 30).await;
    let (mut random, mut truth) = (Random::seeded(11), Truth::default());
    for _ in 0..20 {
        truth.consume(&node, &accounts, &mut random).await;
    }
    let quiet = async {
        while node.ledger.unwritten() != (0, 0) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, quiet).await.expect("what waits is written back when nothing else is to do");
    truth.must_be_in_the_tables(&node).await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_file_says_everything_in_its_tables() {
    let place = Place::sqlite();
    let (node, account) = place.node_with(patient()).await;
    for _ in 0..5 {
        accepted(node.consume(account, 2).await);
    }
    node.database.close().await;
    let DatabaseUrl::Sqlite(path) = &place.url else { unreachable!("a file") };
    let file = rusqlite::Connection::open(path).unwrap();
    let number = |statement: &str| file.query_row(statement, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT COUNT(*) FROM ledger_redo"), 0);
    assert_eq!(number("SELECT used FROM balances WHERE meter = 'requests'"), units(10));
    assert_eq!(number("SELECT amount FROM usage_daily WHERE meter = 'requests'"), units(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_back_that_fails_leaves_everything_as_it_was() {
    let place = Place::sqlite();
    let (node, _) = place.node_with(patient()).await;
    let accounts = many_accounts(&node, 300).await;
    let mut truth = Truth::default();
    let mut random = Random::seeded(5);
    for _ in 0..100 {
        truth.consume(&node, &accounts, &mut random).await;
    }
    let grow = |pages: i64| {
        let script = format!("PRAGMA max_page_count = {pages}");
        node.write(move |tx| tx.execute_script(&script))
    };
    let (waiting, rows) = (node.ledger.unwritten(), rows_of_the_log(&node).await);
    // Less than there are: the file stays as large as it is.
    grow(1).await;
    node.database.write_back().await.expect_err("there is no room for the tables");
    assert_eq!((node.ledger.unwritten(), rows_of_the_log(&node).await), (waiting, rows));
    for (account, sums) in &truth.0 {
        assert_eq!(node.usage(*account).await, (sums.0, 0));
    }
    node.must_be_exact().await;
    grow(1_000_000).await;
    node.database.write_back().await.unwrap();
    truth.must_be_in_the_tables(&node).await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_leaves_the_range_of_numbers_keeps_nothing_from_being_written() {
    let place = Place::sqlite();
    let (node, account) = place.node_with(patient()).await;
    accepted(node.consume(account, 1).await);
    node.database.write_back().await.unwrap();
    node.write(|tx| tx.execute("UPDATE usage_daily SET amount = 9223372036854775807", &[])).await;
    let other = node.new_account().await;
    accepted(node.consume(account, 1).await);
    accepted(node.consume(other, 1).await);
    node.database.write_back().await.unwrap();
    assert_eq!((node.ledger.unwritten(), rows_of_the_log(&node).await), ((0, 0), 0));
    let days = table_of_days(&node).await;
    assert_eq!((days[&account], days[&other]), ((i64::MAX / units(1), 2), (1, 1)));
    node.must_be_exact().await;
    node.database.close().await;
}
