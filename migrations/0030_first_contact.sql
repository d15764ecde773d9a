-- A domain that has not answered any ping yet: since when its first contact goes unanswered (milliseconds since 1970),
-- and whether that is over, so that one's own server's answer counts for it until it answers itself.
ALTER TABLE destination ADD COLUMN first_contact BIGINT;
ALTER TABLE destination ADD COLUMN own_server BOOLEAN NOT NULL DEFAULT FALSE;
