-- What stands for a recipient, by the names that it is for: whoever asks for one series is answered at the same
-- cost, however many consents they hold. Kept by the triggers below, whoever writes consents.
CREATE TABLE consent_scope (
    recipient TEXT NOT NULL,
    name      TEXT NOT NULL,        -- exact, or a prefix ending in '*'
    consent   BIGINT NOT NULL,      -- consent.key
    PRIMARY KEY (recipient, name, consent)
) WITHOUT ROWID;
CREATE INDEX consent_scope_by_consent ON consent_scope (consent);

INSERT OR IGNORE INTO consent_scope (recipient, name, consent)
SELECT c.recipient, s.value, c.key FROM consent AS c, json_each(c.scope) AS s
WHERE c.state IN ('requested', 'active', 'suspended');

CREATE TRIGGER consent_scope_begins AFTER INSERT ON consent
WHEN NEW.state IN ('requested', 'active', 'suspended')
BEGIN
    INSERT OR IGNORE INTO consent_scope (recipient, name, consent)
    SELECT NEW.recipient, s.value, NEW.key FROM json_each(NEW.scope) AS s;
END;

CREATE TRIGGER consent_scope_changes AFTER UPDATE ON consent
WHEN OLD.scope <> NEW.scope OR OLD.recipient <> NEW.recipient OR OLD.state <> NEW.state
BEGIN
    DELETE FROM consent_scope WHERE consent = OLD.key;
    INSERT OR IGNORE INTO consent_scope (recipient, name, consent)
    SELECT NEW.recipient, s.value, NEW.key FROM json_each(NEW.scope) AS s
    WHERE NEW.state IN ('requested', 'active', 'suspended');
END;
