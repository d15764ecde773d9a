-- Those concerned are told of every step of a consent, not of its end alone.
ALTER TABLE notice ADD COLUMN step TEXT NOT NULL DEFAULT 'ended'; -- requested, given, suspended, resumed, edited, ended, reminder
