-- Comparisons of every account with Stripe, account by account in the order of their ids, and what each found.
CREATE TABLE reconciliations (
    id TEXT COLLATE "C" PRIMARY KEY,
    state TEXT COLLATE "C" NOT NULL,
    compared BIGINT NOT NULL,
    compared_to TEXT COLLATE "C" NOT NULL,
    last_error TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE UNIQUE INDEX reconciliations_running ON reconciliations (state) WHERE state = 'running';

CREATE TABLE reconciliation_findings (
    reconciliation_id TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL,
    repaired TEXT COLLATE "C" NOT NULL,
    drift TEXT COLLATE "C",
    PRIMARY KEY (reconciliation_id, account_id)
);
