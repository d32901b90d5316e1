-- People. What must be unique across the whole platform (emails, usernames, identities elsewhere) is unique here; a
-- deleted user gives up its keys, so that the same address can sign up again.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT UNIQUE,
    username TEXT,
    username_key TEXT UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    email_verified_at INTEGER,
    status TEXT NOT NULL,
    superadmin INTEGER NOT NULL,
    last_account TEXT,
    terms_version TEXT,
    terms_accepted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    account_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_id, joined_at);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    invited_by TEXT,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    settled_at INTEGER
) STRICT;
CREATE INDEX invitations_by_account ON invitations (account_id, id);
CREATE UNIQUE INDEX invitations_open ON invitations (account_id, email_key) WHERE state = 'open';

-- One a device. A visitor, whom the app itself has signed in, has no user here but an account and a role.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT,
    visitor TEXT,
    cookie_hash BLOB UNIQUE,
    method TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    signed_in_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended_because TEXT
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Those that were used stay as long as their session, so that one that is used again is noticed.
CREATE TABLE refresh_tokens (
    hash BLOB PRIMARY KEY,
    session_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- Links in mails, challenges at sign-in, hand-offs: good once, and for a short time.
CREATE TABLE one_time_tokens (
    hash BLOB PRIMARY KEY,
    purpose TEXT NOT NULL,
    subject TEXT NOT NULL,
    content TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_tokens_by_subject ON one_time_tokens (subject, purpose);
CREATE INDEX one_time_tokens_by_expiry ON one_time_tokens (expires_at);

CREATE TABLE authenticators (
    user_id TEXT PRIMARY KEY,
    secret BLOB NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    email TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_by_user ON identities (user_id);

CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    public_key BLOB NOT NULL,
    secret_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_until INTEGER NOT NULL,
    published_until INTEGER NOT NULL
) STRICT;

-- What a person chose before paying for it, for checkout.
CREATE TABLE wanted_plans (
    account_id TEXT PRIMARY KEY,
    plan_key TEXT NOT NULL,
    billing_interval TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_events (
    id TEXT PRIMARY KEY,
    account_id TEXT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    metadata TEXT NOT NULL,
    address TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_events_by_account ON audit_events (account_id, id);
CREATE INDEX audit_events_by_actor ON audit_events (actor, id);
CREATE INDEX audit_events_by_resource ON audit_events (resource, id);
