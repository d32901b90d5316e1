-- What prices an account's usage past limits, and since when: its plan, who is billed for it, and what was agreed beside it.
-- A row holds until the next one of its account.
CREATE TABLE terms_in_force (
    account_id TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    plan_version_id TEXT COLLATE "C",
    subscription TEXT COLLATE "C",
    overrides TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, since)
);

-- What was used in a window up to a moment within it, as it was found at `read_at`.
CREATE TABLE usage_splits (
    account_id TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    window_kind TEXT COLLATE "C" NOT NULL,
    window_start BIGINT NOT NULL,
    at BIGINT NOT NULL,
    used BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, meter, window_kind, window_start, at)
);

-- When the stretch of its window began that a charge is for. It is not known of those before.
ALTER TABLE overage_charges ADD COLUMN stretch_start BIGINT;

-- When reading at Stripe began whose result was written last: what is not known from it has happened since.
ALTER TABLE billing_customers ADD COLUMN read_at BIGINT NOT NULL DEFAULT 0;
UPDATE billing_customers SET read_at = applied_at;

-- What was changed before is not known any more: the plan of today holds since what an account is on, or what was agreed with it,
-- was last written, which a renewal does not do. Windows that ended before were charged as it was then.
INSERT INTO terms_in_force (account_id, since, plan_version_id, subscription, overrides)
    SELECT s.account_id, CASE WHEN s.source = 'paid' THEN GREATEST(b.created_at, s.updated_at, COALESCE(o.updated_at, 0))
        ELSE b.created_at END, COALESCE(CASE WHEN s.source = 'paid' THEN s.plan_version_id END, b.plan_version_id), b.id,
        COALESCE(o.content, '{}')
    FROM subscriptions s JOIN billed_subscriptions b ON b.id = (SELECT r.id FROM billed_subscriptions r
        WHERE r.account_id = s.account_id AND r.status IN ('trialing', 'active', 'past_due', 'paused', 'unpaid')
        ORDER BY r.created_at, r.id LIMIT 1)
    LEFT JOIN overrides o ON o.account_id = s.account_id;
INSERT INTO terms_in_force (account_id, since, plan_version_id, subscription, overrides)
    SELECT s.account_id, s.updated_at, s.plan_version_id, NULL, t.overrides
    FROM subscriptions s JOIN terms_in_force t ON t.account_id = s.account_id
    WHERE s.source <> 'paid' AND s.updated_at > t.since;
