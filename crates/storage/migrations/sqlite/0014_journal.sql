-- Used on PostgreSQL alone, where a node may be alone or not; empty here.
CREATE TABLE ledger_journal (
    id INTEGER PRIMARY KEY,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE ledger_fence (
    holder INTEGER NOT NULL,
    server_started_at INTEGER NOT NULL
) STRICT;
