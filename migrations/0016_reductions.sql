-- What the measurements of a series under a consent with a granularity have become so far: running sums of the
-- periods that are not complete, never the measurements themselves. Gone with the consent.
CREATE TABLE reduction (
    consent BIGINT NOT NULL,    -- its number
    series  TEXT NOT NULL,
    state   TEXT NOT NULL,      -- JSON (src/relay/reductions.rs)
    PRIMARY KEY (consent, series)
);
