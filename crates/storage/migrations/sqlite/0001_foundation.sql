CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    external_id TEXT UNIQUE,
    name TEXT NOT NULL,
    email TEXT,
    billing_email TEXT,
    metadata TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    account_id TEXT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    member TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_account ON api_keys (account_id, id);

CREATE TABLE catalogs (
    id INTEGER PRIMARY KEY,
    content TEXT NOT NULL,
    source TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE plan_versions (
    id TEXT PRIMARY KEY,
    plan_key TEXT NOT NULL,
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (plan_key, version)
) STRICT;

CREATE TABLE subscriptions (
    account_id TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    plan_version_id TEXT,
    source TEXT NOT NULL,
    status TEXT NOT NULL,
    billing_interval TEXT NOT NULL,
    anchor INTEGER NOT NULL,
    periods_since INTEGER NOT NULL,
    granted_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX subscriptions_by_end ON subscriptions (granted_until) WHERE granted_until IS NOT NULL;

CREATE TABLE overrides (
    account_id TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    account_id TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    leased_until INTEGER,
    last_error TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (state, kind, run_at);

CREATE TABLE idempotent_answers (
    caller TEXT NOT NULL,
    key_hash BLOB NOT NULL,
    request_hash BLOB NOT NULL,
    status INTEGER,
    content_type TEXT,
    body BLOB,
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotent_answers_by_expiry ON idempotent_answers (expires_at);

-- The ledger. Its tables stand alone: account first in every key, no reference out, no join, no trigger.

CREATE TABLE ledger_accounts (
    account_id TEXT PRIMARY KEY,
    entitlement_epoch INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE balances (
    account_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    meter TEXT NOT NULL,
    window_kind TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    used INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    credited INTEGER NOT NULL,
    warned_percent INTEGER NOT NULL,
    warned_limit INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, scope, scope_id, meter, window_kind, window_start)
) STRICT, WITHOUT ROWID;

-- Ids begin with their time, so that events are always appended at the end of the table.
CREATE TABLE usage_events (
    account_id TEXT NOT NULL,
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    at INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    model TEXT NOT NULL,
    amounts TEXT NOT NULL,
    postings TEXT NOT NULL,
    draws TEXT NOT NULL,
    details TEXT NOT NULL,
    reservation_id TEXT,
    reverses TEXT,
    reversed_by TEXT,
    PRIMARY KEY (id, account_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
    account_id TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    on_expiry TEXT NOT NULL,
    scopes TEXT NOT NULL,
    amounts TEXT NOT NULL,
    holds TEXT NOT NULL,
    draws TEXT NOT NULL,
    settled_by TEXT,
    model TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_open ON reservations (account_id, expires_at) WHERE state = 'open';

CREATE TABLE credits (
    account_id TEXT NOT NULL,
    id TEXT NOT NULL,
    meter TEXT NOT NULL,
    granted INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_keys (
    account_id TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    key_hash BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (account_id, key_hash, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_daily (
    account_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    meter TEXT NOT NULL,
    model TEXT NOT NULL,
    amount INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (account_id, day, meter, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_daily_scoped (
    account_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    meter TEXT NOT NULL,
    amount INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (account_id, scope, day, meter, scope_id)
) STRICT, WITHOUT ROWID;
