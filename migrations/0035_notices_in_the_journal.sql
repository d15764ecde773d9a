-- Notices to people wait in the journal, as items do, in a lane of their own at each destination.
ALTER TABLE destination ADD COLUMN noticed BIGINT NOT NULL DEFAULT 0; -- every notice for it up to this seq was taken by its server

-- Rows of the journal that are notices and are not over: what waits for a server that is down must not keep the rows
-- of items behind it in the journal.
CREATE TABLE journal_notice (
    seq INTEGER PRIMARY KEY
);
