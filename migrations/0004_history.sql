-- History: what is kept of accepted items, where a series says so, and no longer than that.
-- A query by time of measurement touches the records of that time alone, however much else is kept.

-- Series, and nodes, that something is kept of.
CREATE TABLE history_series (
    key        INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    retention  BIGINT,          -- how long it is kept after it came, milliseconds; none for a node that is no series
    widest     BIGINT NOT NULL, -- the longest time between first and last in any chunk, milliseconds
    expires_at BIGINT           -- not before then is anything due to go; none if there is nothing
);
CREATE INDEX history_series_by_expiry ON history_series (expires_at);

-- Items as they were published. `key` is their number in the journal.
CREATE TABLE history_item (
    key         INTEGER PRIMARY KEY,
    node        BIGINT NOT NULL REFERENCES history_series (key),
    id          TEXT NOT NULL,
    publisher   TEXT NOT NULL,  -- bare address
    accepted_at BIGINT NOT NULL,
    UNIQUE (node, id)
);
CREATE INDEX history_item_by_node ON history_item (node, key);

-- Their records, each series on its own, in pieces that are neither long nor wide in time.
-- `key` is that of the item times 1048576, plus a running number.
CREATE TABLE history_chunk (
    key     INTEGER PRIMARY KEY,
    series  BIGINT NOT NULL REFERENCES history_series (key),
    first   BIGINT NOT NULL,    -- time of measurement of the first record, milliseconds since 1970
    last    BIGINT NOT NULL,    -- of the last
    payload BLOB NOT NULL       -- the resolved records, as SenML CBOR
);
CREATE INDEX history_chunk_by_time ON history_chunk (series, last, first);
CREATE INDEX history_chunk_by_series ON history_chunk (series, key);

-- Where a series that its producer keeps itself is asked for (an address), and what its node is set to
-- (JSON, src/domain/node.rs); both only where they are not the usual.
ALTER TABLE series ADD COLUMN source TEXT;
ALTER TABLE series ADD COLUMN node TEXT;
