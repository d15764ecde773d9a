-- The disclosure log: what was sent or refused, to whom, under which consent, when. Never measured values.
-- One row per commit that had something to say. Each is linked to the one before it:
-- hash = SHA-256('courant-log-1' || previous || at, 8 bytes, big-endian || content).
CREATE TABLE disclosure_block (
    seq      INTEGER PRIMARY KEY,   -- from 1, without gaps
    at       BIGINT NOT NULL,       -- when it was written
    previous BLOB NOT NULL,         -- hash of the row before, 32 zero bytes in the first
    content  BLOB NOT NULL,         -- the lines, as src/store/disclosures/block.rs describes
    hash     BLOB NOT NULL
);
INSERT INTO counter (name, value) VALUES ('disclosure', 0);

-- Signatures over the chain so far, so that even its end cannot be cut off or written anew.
CREATE TABLE audit_checkpoint (
    seq        INTEGER PRIMARY KEY, -- of the last row signed
    hash       BLOB NOT NULL,       -- of that row
    at         BIGINT NOT NULL,
    public_key BLOB NOT NULL,       -- Ed25519
    signature  BLOB NOT NULL        -- over what src/store/disclosures/checkpoint.rs describes
);

-- Against slips of the hand; against intent there is the chain. (PostgreSQL: the same with a function.)
CREATE TRIGGER disclosure_block_stays BEFORE DELETE ON disclosure_block
BEGIN SELECT RAISE(ABORT, 'the disclosure log is append-only'); END;
CREATE TRIGGER disclosure_block_is_final BEFORE UPDATE ON disclosure_block
BEGIN SELECT RAISE(ABORT, 'the disclosure log is append-only'); END;
CREATE TRIGGER audit_checkpoint_stays BEFORE DELETE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'the disclosure log is append-only'); END;
CREATE TRIGGER audit_checkpoint_is_final BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'the disclosure log is append-only'); END;
CREATE TRIGGER consent_event_stays BEFORE DELETE ON consent_event
BEGIN SELECT RAISE(ABORT, 'what happened to a consent is append-only'); END;
CREATE TRIGGER consent_event_is_final BEFORE UPDATE ON consent_event
BEGIN SELECT RAISE(ABORT, 'what happened to a consent is append-only'); END;

-- The operator asked for this delivery to be tried again; the service takes it up and removes the row.
ALTER TABLE dead_letter ADD COLUMN replay BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX dead_letter_by_seq ON dead_letter (seq);
