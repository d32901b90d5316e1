-- How balances of the account stand and what is to be added to its days, where the tables do not say it yet.
ALTER TABLE ledger_accounts ADD COLUMN postponed BYTEA NOT NULL DEFAULT '';
