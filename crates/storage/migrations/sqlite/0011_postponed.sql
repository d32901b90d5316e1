-- Used on PostgreSQL alone; here the redo log says what the tables lack.
ALTER TABLE ledger_accounts ADD COLUMN postponed BLOB NOT NULL DEFAULT x'';
