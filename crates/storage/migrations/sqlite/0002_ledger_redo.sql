-- What batches have changed of balances and daily sums and is not written to those tables yet, one row a batch.
CREATE TABLE ledger_redo (
    id INTEGER PRIMARY KEY,
    content BLOB NOT NULL
) STRICT;
