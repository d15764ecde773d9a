-- Ends of consents that those concerned are still to be told. A row is written with the end itself, and goes
-- away once the servers of all of them have taken what they are told.
CREATE TABLE notice (
    key     INTEGER PRIMARY KEY,
    consent BIGINT NOT NULL REFERENCES consent (key),
    nodes   TEXT NOT NULL,          -- JSON list: the recipient's subscriptions that ended with it
    at      BIGINT NOT NULL         -- when it ended
);
INSERT INTO counter (name, value) VALUES ('notice', 0);
