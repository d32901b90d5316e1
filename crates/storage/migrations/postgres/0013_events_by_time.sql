-- Every event is added at the end, where it was put among those of its account before, on a page of its own. Whoever asks for
-- an account's events of some time passes over those of all accounts. Takes as long as PostgreSQL takes to sort the events
-- that are there, a few seconds for each million.
ALTER TABLE usage_events DROP CONSTRAINT usage_events_pkey;
ALTER TABLE usage_events ADD PRIMARY KEY (id, account_id);
DROP INDEX usage_events_by_id;
