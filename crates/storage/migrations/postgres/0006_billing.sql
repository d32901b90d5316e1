-- What is paid: customers and their subscriptions as Stripe tells them, invoices and payments as records of our own, and
-- what was begun at Stripe and may have to be begun again.

-- `plan_version_id` is the plan in force until `plan_until`, then `then_plan_version_id` (none: the default plan). A plan
-- given without payment is kept beside it, so that it outlives what is bought meanwhile.
ALTER TABLE subscriptions ADD COLUMN plan_until BIGINT;
ALTER TABLE subscriptions ADD COLUMN then_plan_version_id TEXT COLLATE "C";
ALTER TABLE subscriptions ADD COLUMN granted_version_id TEXT COLLATE "C";
UPDATE subscriptions SET plan_until = granted_until, granted_version_id = plan_version_id WHERE source = 'granted';
CREATE INDEX subscriptions_by_plan_end ON subscriptions (plan_until) WHERE plan_until IS NOT NULL;

-- One row for each account that has been to Stripe. `reads` numbers what is read there, `applied` is the newest read
-- that was written here; an older one that comes late is dropped.
CREATE TABLE billing_customers (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    customer_id TEXT COLLATE "C" UNIQUE,
    customers_made BIGINT NOT NULL,
    currency TEXT COLLATE "C",
    trial_used_at BIGINT,
    reads BIGINT NOT NULL,
    applied BIGINT NOT NULL,
    applied_at BIGINT NOT NULL,
    drift TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX billing_customers_by_age ON billing_customers (applied_at);

CREATE TABLE billed_subscriptions (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    price_id TEXT COLLATE "C",
    item_id TEXT COLLATE "C",
    plan_version_id TEXT COLLATE "C",
    billing_interval TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    unit_amount BIGINT,
    anchor BIGINT NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    trial_end BIGINT,
    cancel_at BIGINT,
    ended_at BIGINT,
    past_due_since BIGINT,
    paid_until BIGINT,
    pause TEXT COLLATE "C",
    resumes_at BIGINT,
    kept_version_id TEXT COLLATE "C",
    kept_until BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX billed_subscriptions_by_account ON billed_subscriptions (account_id, created_at, id);

CREATE TABLE stripe_prices (
    id TEXT COLLATE "C" PRIMARY KEY,
    lookup_key TEXT COLLATE "C" NOT NULL,
    plan_key TEXT COLLATE "C" NOT NULL,
    billing_interval TEXT COLLATE "C" NOT NULL
);

CREATE TABLE invoices (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL,
    stripe_id TEXT COLLATE "C" NOT NULL UNIQUE,
    subscription TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C",
    reason TEXT COLLATE "C",
    currency TEXT COLLATE "C" NOT NULL,
    subtotal BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    total BIGINT NOT NULL,
    amount_due BIGINT NOT NULL,
    amount_paid BIGINT NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    hosted_url TEXT COLLATE "C",
    pdf_url TEXT COLLATE "C",
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    lines TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    finalized_at BIGINT,
    paid_at BIGINT
);
CREATE INDEX invoices_by_account ON invoices (account_id, id);

CREATE TABLE payments (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL,
    stripe_id TEXT COLLATE "C" NOT NULL UNIQUE,
    invoice_id TEXT COLLATE "C",
    charge TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C",
    receipt_url TEXT COLLATE "C",
    failure TEXT COLLATE "C",
    disputed BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX payments_by_account ON payments (account_id, id);

-- What became of an account's plan, in order; `once` names what may be told once only.
CREATE TABLE subscription_history (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    once TEXT COLLATE "C" NOT NULL UNIQUE,
    plan TEXT COLLATE "C",
    former_plan TEXT COLLATE "C",
    billing_interval TEXT COLLATE "C",
    amount BIGINT,
    currency TEXT COLLATE "C",
    subscription TEXT COLLATE "C",
    invoice TEXT COLLATE "C",
    at BIGINT NOT NULL
);
CREATE INDEX subscription_history_by_account ON subscription_history (account_id, id);

CREATE TABLE stripe_events (
    id TEXT COLLATE "C" PRIMARY KEY,
    type TEXT COLLATE "C" NOT NULL,
    api_version TEXT COLLATE "C",
    customer TEXT COLLATE "C",
    object_id TEXT COLLATE "C",
    payload TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    applied_at BIGINT
);
CREATE INDEX stripe_events_by_customer ON stripe_events (customer, state);
CREATE INDEX stripe_events_by_age ON stripe_events (received_at);

-- What somebody asked for that takes calls to Stripe. Its id names those calls, so that asking again, also after a crash,
-- finds what was begun.
CREATE TABLE billing_intents (
    id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    made TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX billing_intents_open ON billing_intents (account_id, kind) WHERE state = 'open';

CREATE TABLE overage_charges (
    account_id TEXT COLLATE "C" NOT NULL,
    subscription TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    window_kind TEXT COLLATE "C" NOT NULL,
    window_start BIGINT NOT NULL,
    part BIGINT NOT NULL,
    window_end BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    stripe_id TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, meter, window_kind, window_start, part)
);
