-- Mails to be sent and those that were. One row is written in the transaction that has something to tell.
CREATE TABLE mails (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    to_address TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C",
    once_key TEXT COLLATE "C" UNIQUE,
    content TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    last_error TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX mails_by_state ON mails (state, id);
CREATE INDEX mails_by_address ON mails (to_address, id);
