-- How rows of `ledger_accounts` are to be that a node which is alone has not written yet: one row a batch. Rows stay whole
-- and uncompressed: they are gone again within seconds.
CREATE TABLE ledger_journal (
    id BIGINT PRIMARY KEY,
    content BYTEA NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE ledger_journal ALTER COLUMN content SET STORAGE EXTERNAL;

-- One row: whose the journal is, and when the server was started that it was opened on. 0: nobody's, and the journal is
-- empty. Whoever reads or writes accounts' rows reads it in the same transaction; whoever changes it locks the table first.
CREATE TABLE ledger_fence (
    holder BIGINT NOT NULL,
    server_started_at BIGINT NOT NULL
);
INSERT INTO ledger_fence (holder, server_started_at) VALUES (0, 0);
