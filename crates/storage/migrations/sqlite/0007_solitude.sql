-- Used on PostgreSQL alone, where other processes write too; always 0 here.
ALTER TABLE ledger_accounts ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
