-- What one act did to several consents of one person is told to that person once.
-- NULL: tell the person of this consent; else a JSON list of the consents (consent.key) that this one message is
-- about: of all of them where it stands with the first, empty where another notice says it.
ALTER TABLE notice ADD COLUMN together TEXT;
