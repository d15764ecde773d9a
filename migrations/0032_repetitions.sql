-- The other half of what an item is known again by: 128 bits of a hash of node, id and content, keyed with a secret of
-- the installation (meta, repetition_key). Rows from before have 0 here: theirs is worked out
-- of the payload.
ALTER TABLE journal ADD COLUMN digest_high BIGINT NOT NULL DEFAULT 0;

-- Up to here what is left of the journal is over: it is there for dead letters alone.
INSERT INTO counter (name, value) VALUES ('pruned', 0), ('repetitions_forgotten', 0);
