-- Used on SQLite alone; empty here.
CREATE TABLE ledger_redo (
    id BIGINT PRIMARY KEY,
    content BYTEA NOT NULL
);
