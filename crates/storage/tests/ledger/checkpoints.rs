//! The write-ahead log comes into the database while commands go on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use storage::DatabaseUrl;

use super::node::*;

/// Of one event's details.
const BYTES: usize = 64 * 1024;
/// More than the log has when it is folded, and not twice as many.
const EVENTS: usize = 800;
/// Of a database that most of it has come into.
const LONG: u64 = 16 << 20;

fn length(path: &Path, ending: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    std::fs::metadata(name).map_or(0, |file| file.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_folded_into_the_database_and_begins_anew() {
    let place = Place::sqlite();
    let DatabaseUrl::Sqlite(path) = place.url.clone() else { unreachable!("the place is on SQLite") };
    let (node, account) = place.node().await;
    node.upgrade(account).await;
    let details: Arc<str> = format!("{{\"note\":\"{}\"}}", "x".repeat(BYTES)).into();
    let consume = || {
        let mut request = node.consuming(account, 1);
        request.details = details.clone();
        node.ask(request)
    };
    for _ in 0..EVENTS {
        accepted(consume().await);
    }
    let folded = async {
        while length(&path, "") < LONG {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, folded).await.expect("the log is folded though nobody writes any more");
    // It begins anew, and its file is used again.
    for _ in 0..2 * EVENTS {
        accepted(consume().await);
    }
    let written = 3 * (EVENTS * BYTES) as u64;
    assert!(length(&path, "-wal") < written / 2, "{} of {written}", length(&path, "-wal"));
    node.must_be_exact().await;
    // Who copies the file after a stop has everything.
    node.database.close().await;
    assert_eq!(length(&path, "-wal"), 0);
}
