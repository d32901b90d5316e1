CREATE TABLE settings (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE accounts (
    id TEXT COLLATE "C" PRIMARY KEY,
    external_id TEXT COLLATE "C" UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C",
    billing_email TEXT COLLATE "C",
    metadata TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    prefix TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    scopes TEXT COLLATE "C" NOT NULL,
    member TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_account ON api_keys (account_id, id);

CREATE TABLE catalogs (
    id BIGINT PRIMARY KEY,
    content TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    applied_at BIGINT NOT NULL
);

CREATE TABLE plan_versions (
    id TEXT COLLATE "C" PRIMARY KEY,
    plan_key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (plan_key, version)
);

CREATE TABLE subscriptions (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    plan_version_id TEXT COLLATE "C",
    source TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    billing_interval TEXT COLLATE "C" NOT NULL,
    anchor BIGINT NOT NULL,
    periods_since BIGINT NOT NULL,
    granted_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX subscriptions_by_end ON subscriptions (granted_until) WHERE granted_until IS NOT NULL;

CREATE TABLE overrides (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    content TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE jobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C",
    payload TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    leased_until BIGINT,
    last_error TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX jobs_due ON jobs (state, kind, run_at);

CREATE TABLE idempotent_answers (
    caller TEXT COLLATE "C" NOT NULL,
    key_hash BYTEA NOT NULL,
    request_hash BYTEA NOT NULL,
    status BIGINT,
    content_type TEXT COLLATE "C",
    body BYTEA,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (caller, key_hash)
);
CREATE INDEX idempotent_answers_by_expiry ON idempotent_answers (expires_at);

-- The ledger. Its tables stand alone: account first in every key, no reference out, no join, no trigger.

CREATE TABLE ledger_accounts (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    entitlement_epoch BIGINT NOT NULL,
    last_at BIGINT NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE balances (
    account_id TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    scope_id TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    window_kind TEXT COLLATE "C" NOT NULL,
    window_start BIGINT NOT NULL,
    used BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    warned_percent BIGINT NOT NULL,
    warned_limit BIGINT NOT NULL,
    observed_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, scope, scope_id, meter, window_kind, window_start)
) WITH (fillfactor = 70);

-- Partitioned by month: ids begin with their time, and the server makes the partitions ahead.
CREATE TABLE usage_events (
    account_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    amounts TEXT COLLATE "C" NOT NULL,
    postings TEXT COLLATE "C" NOT NULL,
    draws TEXT COLLATE "C" NOT NULL,
    details TEXT COLLATE "C" NOT NULL,
    reservation_id TEXT COLLATE "C",
    reverses TEXT COLLATE "C",
    reversed_by TEXT COLLATE "C",
    PRIMARY KEY (account_id, id)
) PARTITION BY RANGE (id);
-- Ids grow with time: a few pages for each stretch of the table are enough to find the newest events of all accounts.
CREATE INDEX usage_events_by_id ON usage_events USING brin (id) WITH (autosummarize = on);
CREATE TABLE usage_events_rest PARTITION OF usage_events DEFAULT;

CREATE TABLE reservations (
    account_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    on_expiry TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    amounts TEXT COLLATE "C" NOT NULL,
    holds TEXT COLLATE "C" NOT NULL,
    draws TEXT COLLATE "C" NOT NULL,
    settled_by TEXT COLLATE "C",
    model TEXT COLLATE "C" NOT NULL,
    details TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX reservations_open ON reservations (account_id, expires_at) WHERE state = 'open';

CREATE TABLE credits (
    account_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    granted BIGINT NOT NULL,
    remaining BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE ledger_keys (
    account_id TEXT COLLATE "C" NOT NULL,
    bucket BIGINT NOT NULL,
    key_hash BYTEA NOT NULL,
    content_hash BYTEA NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, key_hash, bucket)
) PARTITION BY RANGE (bucket);
CREATE TABLE ledger_keys_rest PARTITION OF ledger_keys DEFAULT;

CREATE TABLE usage_daily (
    account_id TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    events BIGINT NOT NULL,
    PRIMARY KEY (account_id, day, meter, model)
) WITH (fillfactor = 70);

CREATE TABLE usage_daily_scoped (
    account_id TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    scope_id TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    events BIGINT NOT NULL,
    PRIMARY KEY (account_id, scope, day, meter, scope_id)
);
