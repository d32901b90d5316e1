-- Raised by whatever locks the account for the ledger: who remembers the account as of one version need not read it again.
ALTER TABLE ledger_accounts ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

-- Raised by every process that opens the database, so that one that was here for a moment is noticed too.
CREATE SEQUENCE database_openings;
