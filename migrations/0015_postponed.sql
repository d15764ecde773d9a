-- A dead letter that may succeed later is tried again by itself; none for one that came back for good.
ALTER TABLE dead_letter ADD COLUMN retry_at BIGINT;
CREATE INDEX dead_letter_by_retry ON dead_letter (retry_at) WHERE retry_at IS NOT NULL;
