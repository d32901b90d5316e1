-- Comparisons of every account with Stripe, account by account in the order of their ids, and what each found.
CREATE TABLE reconciliations (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    compared INTEGER NOT NULL,
    compared_to TEXT NOT NULL,
    last_error TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE UNIQUE INDEX reconciliations_running ON reconciliations (state) WHERE state = 'running';

CREATE TABLE reconciliation_findings (
    reconciliation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    repaired TEXT NOT NULL,
    drift TEXT,
    PRIMARY KEY (reconciliation_id, account_id)
) STRICT;
