-- People. What must be unique across the whole platform (emails, usernames, identities elsewhere) is unique here; a
-- deleted user gives up its keys, so that the same address can sign up again.

CREATE TABLE users (
    id TEXT COLLATE "C" PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL,
    email_key TEXT COLLATE "C" UNIQUE,
    username TEXT COLLATE "C",
    username_key TEXT COLLATE "C" UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    password_hash TEXT COLLATE "C",
    email_verified_at BIGINT,
    status TEXT COLLATE "C" NOT NULL,
    superadmin BIGINT NOT NULL,
    last_account TEXT COLLATE "C",
    terms_version TEXT COLLATE "C",
    terms_accepted_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE members (
    account_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, joined_at);

CREATE TABLE invitations (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    invited_by TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE INDEX invitations_by_account ON invitations (account_id, id);
CREATE UNIQUE INDEX invitations_open ON invitations (account_id, email_key) WHERE state = 'open';

-- One a device. A visitor, whom the app itself has signed in, has no user here but an account and a role.
CREATE TABLE sessions (
    id TEXT COLLATE "C" PRIMARY KEY,
    user_id TEXT COLLATE "C",
    visitor TEXT COLLATE "C",
    cookie_hash BYTEA UNIQUE,
    method TEXT COLLATE "C" NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_because TEXT COLLATE "C"
);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Those that were used stay as long as their session, so that one that is used again is noticed.
CREATE TABLE refresh_tokens (
    hash BYTEA PRIMARY KEY,
    session_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- Links in mails, challenges at sign-in, hand-offs: good once, and for a short time.
CREATE TABLE one_time_tokens (
    hash BYTEA PRIMARY KEY,
    purpose TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX one_time_tokens_by_subject ON one_time_tokens (subject, purpose);
CREATE INDEX one_time_tokens_by_expiry ON one_time_tokens (expires_at);

CREATE TABLE authenticators (
    user_id TEXT COLLATE "C" PRIMARY KEY,
    secret BYTEA NOT NULL,
    confirmed_at BIGINT,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
    user_id TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE identities (
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_user ON identities (user_id);

CREATE TABLE signing_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    public_key BYTEA NOT NULL,
    secret_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    signs_until BIGINT NOT NULL,
    published_until BIGINT NOT NULL
);

-- What a person chose before paying for it, for checkout.
CREATE TABLE wanted_plans (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    plan_key TEXT COLLATE "C" NOT NULL,
    billing_interval TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE audit_events (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C",
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    metadata TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX audit_events_by_account ON audit_events (account_id, id);
CREATE INDEX audit_events_by_actor ON audit_events (actor, id);
CREATE INDEX audit_events_by_resource ON audit_events (resource, id);
