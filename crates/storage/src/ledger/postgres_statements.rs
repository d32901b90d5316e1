//! The statements that write a batch on PostgreSQL which was judged by memory: its accounts' rows or one row of the
//! journal, and with them its events, callers' keys and jobs, or nothing.
//!
//! Their parameters come in the order that [`Written`] says; most batches have neither keys nor jobs, and PostgreSQL
//! prepares every table of a statement each time that it runs.

use std::sync::LazyLock;

use super::postgres_journal::{among_writers, is_ours};

/// Where it is written what a batch has changed of its accounts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Parameters: the accounts, their epochs, versions and what they postpone; and the time of the commands.
    InRows,
    /// Parameters: the number of the journal's row, and its content.
    InJournal,
}

/// The first parameters: the clock's time and tolerance, and who has the journal. Written is only while this node's clock
/// is near enough to the database's, and accounts' rows say how things stand but for what this process has noted.
const GUARD: &str = concat!(
    "(SELECT ABS(CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) - $1) <= $2) AND ",
    is_ours!("$3")
);
const GUARD_PARAMETERS: usize = 3;

type Columns = &'static [(&'static str, &'static str)];

const ACCOUNTS: Columns = &[("account_id", "text"), ("epoch", "bigint"), ("version", "bigint"), ("postponed", "bytea")];
const EVENTS: Columns = &[
    ("account_id", "text"),
    ("id", "text"),
    ("action", "text"),
    ("at", "bigint"),
    ("occurred_at", "bigint"),
    ("flags", "bigint"),
    ("model", "text"),
    ("amounts", "text"),
    ("postings", "text"),
    ("draws", "text"),
    ("details", "text"),
    ("reservation_id", "text"),
    ("reverses", "text"),
];
const KEYS: Columns = &[
    ("account_id", "text"),
    ("bucket", "bigint"),
    ("key_hash", "bytea"),
    ("content_hash", "bytea"),
    ("event_id", "text"),
];
const JOBS: Columns =
    &[("id", "text"), ("kind", "text"), ("account_id", "text"), ("payload", "text"), ("run_at", "bigint")];

static STATEMENTS: LazyLock<[String; 4]> = LazyLock::new(|| {
    [
        statement(Written::InRows, false),
        statement(Written::InRows, true),
        statement(Written::InJournal, false),
        statement(Written::InJournal, true),
    ]
});

/// Returns the accounts that it was written of, or of the journal one row where it was.
pub(super) fn write(written: Written, has_more: bool) -> &'static str {
    &STATEMENTS[usize::from(written == Written::InJournal) * 2 + usize::from(has_more)]
}

pub(crate) fn statements() -> Vec<&'static str> {
    STATEMENTS.iter().map(String::as_str).collect()
}

/// Hands out parameters' numbers.
struct Parameters(usize);

impl Parameters {
    fn next(&mut self) -> usize {
        self.0 += 1;
        self.0
    }

    /// Rows that are called `w`, an array a column.
    fn rows(&mut self, columns: Columns) -> String {
        let of_column = |(name, ty): &(&str, &str)| format!("unnest(${}::{ty}[]) AS {name}", self.next());
        let columns: Vec<String> = columns.iter().map(of_column).collect();
        format!("(SELECT {}) w", columns.join(", "))
    }
}

fn names(columns: Columns) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn statement(written: Written, has_more: bool) -> String {
    let mut parameters = Parameters(GUARD_PARAMETERS);
    let (head, is_moved, answer) = match written {
        Written::InRows => {
            (rows_moved(&mut parameters), "w.account_id IN (SELECT account_id FROM moved)", "account_id")
        }
        Written::InJournal => (row_noted(&mut parameters), "EXISTS (SELECT 1 FROM moved)", "id"),
    };
    let mut parts = vec![format!("moved AS ({head})")];
    parts.push(format!(
        "events AS (INSERT INTO usage_events ({names}) SELECT w.* FROM {rows} WHERE {is_moved})",
        names = names(EVENTS),
        rows = parameters.rows(EVENTS),
    ));
    if has_more {
        parts.push(format!(
            "keys AS (INSERT INTO ledger_keys ({names}) SELECT w.* FROM {rows} WHERE {is_moved})",
            names = names(KEYS),
            rows = parameters.rows(KEYS),
        ));
        parts.push(format!(
            "jobs AS (INSERT INTO jobs ({names}, state, attempts, created_at) SELECT w.*, 'ready', 0, w.run_at \
            FROM {rows} WHERE {is_moved})",
            names = names(JOBS),
            rows = parameters.rows(JOBS),
        ));
    }
    let parts = parts.join(", ");
    match written {
        Written::InRows => format!("{}, {parts} SELECT {answer} FROM moved", among_writers!()),
        Written::InJournal => format!("WITH {parts} SELECT {answer} FROM moved"),
    }
}

/// Moves each account's row from the version that is remembered to the next. In the order of the accounts, as every
/// statement that locks them.
fn rows_moved(parameters: &mut Parameters) -> String {
    format!(
        "INSERT INTO ledger_accounts (account_id, entitlement_epoch, version, postponed, last_at) SELECT w.*, ${at} \
        FROM {rows} WHERE {GUARD} ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, \
        postponed = excluded.postponed, last_at = excluded.last_at \
        WHERE ledger_accounts.version = excluded.version - 1 \
        AND ledger_accounts.entitlement_epoch = excluded.entitlement_epoch \
        AND ledger_accounts.last_at <= excluded.last_at RETURNING account_id",
        rows = parameters.rows(ACCOUNTS),
        at = parameters.next(),
    )
}

/// While the journal is this process's own nobody else's commands can have come between.
fn row_noted(parameters: &mut Parameters) -> String {
    format!(
        "INSERT INTO ledger_journal (id, content) SELECT ${number}, ${content} \
        WHERE (SELECT holder FROM ledger_fence) = $3 AND {GUARD} RETURNING id",
        number = parameters.next(),
        content = parameters.next(),
    )
}
