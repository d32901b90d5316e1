-- Mails to be sent and those that were. One row is written in the transaction that has something to tell.
CREATE TABLE mails (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    to_address TEXT NOT NULL,
    account_id TEXT,
    once_key TEXT UNIQUE,
    content TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;
CREATE INDEX mails_by_state ON mails (state, id);
CREATE INDEX mails_by_address ON mails (to_address, id);
