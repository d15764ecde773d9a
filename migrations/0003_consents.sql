-- What was added to consents: detail, what the person was shown, and what earlier revisions said.
ALTER TABLE consent ADD COLUMN recipient_contact TEXT;
ALTER TABLE consent ADD COLUMN policy_url TEXT;
ALTER TABLE consent ADD COLUMN granularity TEXT;               -- ISO 8601 duration: the finest that may leave
ALTER TABLE consent ADD COLUMN subscribe BOOLEAN NOT NULL DEFAULT TRUE; -- the recipient, once it is active
ALTER TABLE consent ADD COLUMN text_lang TEXT;
ALTER TABLE consent ADD COLUMN text_hash TEXT;                 -- SHA-256 of exactly what the person saw

-- The sweep asks every second whose time has come.
CREATE INDEX consent_by_end ON consent (state, valid_until);
CREATE INDEX consent_by_arrangement ON consent (arrangement);

-- What a consent said before it was edited; append-only.
CREATE TABLE consent_revision (
    consent  BIGINT NOT NULL REFERENCES consent (key),
    revision BIGINT NOT NULL,
    until    BIGINT NOT NULL,       -- when the next revision took its place
    record   TEXT NOT NULL,         -- JSON
    PRIMARY KEY (consent, revision)
);
CREATE TRIGGER consent_revision_stays BEFORE DELETE ON consent_revision
BEGIN SELECT RAISE(ABORT, 'what a consent said is append-only'); END;
CREATE TRIGGER consent_revision_is_final BEFORE UPDATE ON consent_revision
BEGIN SELECT RAISE(ABORT, 'what a consent said is append-only'); END;

-- Reminders given before the end, so that none is given twice.
CREATE TABLE consent_reminder (
    consent BIGINT PRIMARY KEY REFERENCES consent (key),
    at      BIGINT NOT NULL         -- when the last one was given
);

-- Requests are answered by a code of a few characters; asking is bounded per asker.
CREATE TABLE request_code (
    consent BIGINT PRIMARY KEY REFERENCES consent (key),
    code    TEXT NOT NULL
);
CREATE INDEX request_by_code ON request_code (code);

-- The language that somebody chose.
CREATE TABLE person (
    jid      TEXT PRIMARY KEY,      -- bare address
    language TEXT NOT NULL          -- en, fr
);

-- More of a series than its rights, for those who may see it.
ALTER TABLE series ADD COLUMN meta TEXT;                       -- JSON object
