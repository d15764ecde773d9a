-- Items that were retracted, or all of a node, though the journal still has them: published again after a restart,
-- they are new. A row goes when the journal has nothing any more from before it.
CREATE TABLE retracted (
    key  INTEGER PRIMARY KEY,
    seq  BIGINT NOT NULL,   -- the end of the journal at that moment
    node TEXT NOT NULL,
    item TEXT               -- none for all of the node
);
CREATE INDEX retracted_by_seq ON retracted (seq);
