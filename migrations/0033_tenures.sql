-- Whose data a series is, and was: one row for each time over which one person held it (a tenure), in order. What was
-- registered until now has one tenure without a beginning.
CREATE TABLE tenure (
    series     BIGINT  NOT NULL REFERENCES series (key),
    place      BIGINT  NOT NULL,        -- 0, 1, …: the order of their beginnings
    holder     TEXT,                    -- bare address, or 'ref:' and a reference; none: nobody holds it
    registered BOOLEAN NOT NULL,        -- false: this registration says nothing of that time
    begins     BIGINT,                  -- measuring time, milliseconds since 1970; none: without a beginning
    recorded   BIGINT,                  -- when it was recorded, by the clock
    settings   TEXT,                    -- JSON: what the node was set to over it; none: what the series says
    PRIMARY KEY (series, place)
) WITHOUT ROWID;
CREATE INDEX tenure_by_holder ON tenure (holder, series) WHERE holder IS NOT NULL;

INSERT INTO tenure (series, place, holder, registered)
SELECT key, 0, owner, TRUE FROM series;

ALTER TABLE series DROP COLUMN owner;
-- A registration that was removed keeps its name and its tenures: what was measured over them stays whose it was.
ALTER TABLE series ADD COLUMN removed BOOLEAN NOT NULL DEFAULT FALSE;

-- Series whose next holder begins in the future: what the move does is done then.
CREATE TABLE move_ahead (
    series BIGINT NOT NULL REFERENCES series (key),
    border BIGINT NOT NULL,             -- when the next tenure begins
    actor  TEXT   NOT NULL,             -- who recorded it
    PRIMARY KEY (series, border)
);

-- Consents whose subject holds nothing of what they name any more: they end when late records had their time to come.
CREATE TABLE moved_consent (
    consent BIGINT PRIMARY KEY REFERENCES consent (key),
    border  BIGINT NOT NULL
);
CREATE INDEX moved_consent_by_border ON moved_consent (border);

-- What a bounded consent was bounded by, for those who are told.
ALTER TABLE notice ADD COLUMN moved TEXT; -- JSON: the series, and the border

-- What else a move has people told: who gave a series up or holds it now, and who is to erase what left of a time that
-- changed hands. Numbers are those of notices.
CREATE TABLE move_notice (
    key       INTEGER PRIMARY KEY,
    recipient TEXT   NOT NULL,          -- bare address
    what      TEXT   NOT NULL,          -- JSON (src/store/move_notices.rs)
    at        BIGINT NOT NULL
);
