-- What is paid: customers and their subscriptions as Stripe tells them, invoices and payments as records of our own, and
-- what was begun at Stripe and may have to be begun again.

-- `plan_version_id` is the plan in force until `plan_until`, then `then_plan_version_id` (none: the default plan). A plan
-- given without payment is kept beside it, so that it outlives what is bought meanwhile.
ALTER TABLE subscriptions ADD COLUMN plan_until INTEGER;
ALTER TABLE subscriptions ADD COLUMN then_plan_version_id TEXT;
ALTER TABLE subscriptions ADD COLUMN granted_version_id TEXT;
UPDATE subscriptions SET plan_until = granted_until, granted_version_id = plan_version_id WHERE source = 'granted';
CREATE INDEX subscriptions_by_plan_end ON subscriptions (plan_until) WHERE plan_until IS NOT NULL;

-- One row for each account that has been to Stripe. `reads` numbers what is read there, `applied` is the newest read
-- that was written here; an older one that comes late is dropped.
CREATE TABLE billing_customers (
    account_id TEXT PRIMARY KEY,
    customer_id TEXT UNIQUE,
    customers_made INTEGER NOT NULL,
    currency TEXT,
    trial_used_at INTEGER,
    reads INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    applied_at INTEGER NOT NULL,
    drift TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX billing_customers_by_age ON billing_customers (applied_at);

CREATE TABLE billed_subscriptions (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    status TEXT NOT NULL,
    price_id TEXT,
    item_id TEXT,
    plan_version_id TEXT,
    billing_interval TEXT NOT NULL,
    currency TEXT NOT NULL,
    unit_amount INTEGER,
    anchor INTEGER NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    trial_end INTEGER,
    cancel_at INTEGER,
    ended_at INTEGER,
    past_due_since INTEGER,
    paid_until INTEGER,
    pause TEXT,
    resumes_at INTEGER,
    kept_version_id TEXT,
    kept_until INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX billed_subscriptions_by_account ON billed_subscriptions (account_id, created_at, id);

CREATE TABLE stripe_prices (
    id TEXT PRIMARY KEY,
    lookup_key TEXT NOT NULL,
    plan_key TEXT NOT NULL,
    billing_interval TEXT NOT NULL
) STRICT;

CREATE TABLE invoices (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    stripe_id TEXT NOT NULL UNIQUE,
    subscription TEXT,
    status TEXT NOT NULL,
    number TEXT,
    reason TEXT,
    currency TEXT NOT NULL,
    subtotal INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    total INTEGER NOT NULL,
    amount_due INTEGER NOT NULL,
    amount_paid INTEGER NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    hosted_url TEXT,
    pdf_url TEXT,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    lines TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finalized_at INTEGER,
    paid_at INTEGER
) STRICT;
CREATE INDEX invoices_by_account ON invoices (account_id, id);

CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    stripe_id TEXT NOT NULL UNIQUE,
    invoice_id TEXT,
    charge TEXT,
    status TEXT NOT NULL,
    amount INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    currency TEXT NOT NULL,
    method TEXT,
    receipt_url TEXT,
    failure TEXT,
    disputed INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX payments_by_account ON payments (account_id, id);

-- What became of an account's plan, in order; `once` names what may be told once only.
CREATE TABLE subscription_history (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    once TEXT NOT NULL UNIQUE,
    plan TEXT,
    former_plan TEXT,
    billing_interval TEXT,
    amount INTEGER,
    currency TEXT,
    subscription TEXT,
    invoice TEXT,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_history_by_account ON subscription_history (account_id, id);

CREATE TABLE stripe_events (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    api_version TEXT,
    customer TEXT,
    object_id TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    applied_at INTEGER
) STRICT;
CREATE INDEX stripe_events_by_customer ON stripe_events (customer, state);
CREATE INDEX stripe_events_by_age ON stripe_events (received_at);

-- What somebody asked for that takes calls to Stripe. Its id names those calls, so that asking again, also after a crash,
-- finds what was begun.
CREATE TABLE billing_intents (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    made TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX billing_intents_open ON billing_intents (account_id, kind) WHERE state = 'open';

CREATE TABLE overage_charges (
    account_id TEXT NOT NULL,
    subscription TEXT NOT NULL,
    meter TEXT NOT NULL,
    window_kind TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    part INTEGER NOT NULL,
    window_end INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    stripe_id TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, meter, window_kind, window_start, part)
) STRICT;
