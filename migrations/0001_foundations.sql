-- What the service knows and owes. Times are milliseconds since 1970-01-01T00:00Z unless said.
-- Kept to what PostgreSQL understands too, but for `INTEGER PRIMARY KEY` (there: BIGINT).

-- Facts about this installation: its id, which makes the ids it hands out unlike any other's.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- The last number handed out of each kind. Numbers are never used twice, so that what was queued under
-- something that ended cannot be taken for what came after it.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value)
VALUES ('series', 0), ('consent', 0), ('consent_event', 0), ('subscription', 0), ('change', 0), ('journal', 0),
       ('dead_letter', 0);

-- Series, or prefixes of series (ending in '*'), and who owns and publishes them.
CREATE TABLE series (
    key        INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,       -- bare address of the person concerned, or 'ref:' and a reference
    producers  TEXT NOT NULL,       -- JSON list of bare addresses
    open       BOOLEAN NOT NULL,    -- open data: no consent needed
    retention  TEXT,                -- ISO 8601 duration; items are kept only where it is set
    title      TEXT,
    created_at BIGINT NOT NULL
);

-- Consents. A row never goes away; an end is a state.
CREATE TABLE consent (
    key            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,    -- UUIDv7, also the receipt's id
    arrangement    TEXT NOT NULL,           -- the same across renewals and amendments
    revision       BIGINT NOT NULL,
    subject        TEXT NOT NULL,
    recipient      TEXT NOT NULL,           -- bare address or domain
    recipient_name TEXT,
    scope          TEXT NOT NULL,           -- JSON list of names, exact or a prefix ending in '*'
    purpose        TEXT NOT NULL,
    purpose_code   TEXT,
    lawful_basis   TEXT NOT NULL,
    valid_from     BIGINT NOT NULL,         -- when delivery may happen: from here
    valid_until    BIGINT NOT NULL,         -- until before here
    data_from      BIGINT,                  -- which measurements: from here
    data_until     BIGINT,                  -- until before here
    modes          TEXT NOT NULL,           -- JSON list: notify, history
    retention      TEXT NOT NULL,           -- ISO 8601 duration: the recipient's obligation
    onward         BOOLEAN NOT NULL,        -- may be passed on
    method         TEXT NOT NULL,           -- how it was given
    evidence       TEXT,                    -- by whom recorded, reference of the proof
    state          TEXT NOT NULL,
    since          BIGINT NOT NULL,
    ended_by       TEXT,
    end_reason     TEXT
);
CREATE INDEX consent_by_state ON consent (state);
CREATE INDEX consent_by_subject ON consent (subject);
CREATE INDEX consent_by_recipient ON consent (recipient);

-- What happened to each consent; append-only.
CREATE TABLE consent_event (
    key        INTEGER PRIMARY KEY,
    consent    BIGINT NOT NULL REFERENCES consent (key),
    at         BIGINT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    actor      TEXT NOT NULL,
    note       TEXT
);
CREATE INDEX consent_event_by_consent ON consent_event (consent);

-- Where recipients want their data. One per address and node.
CREATE TABLE subscription (
    key        INTEGER PRIMARY KEY,
    jid        TEXT NOT NULL,
    node       TEXT NOT NULL,       -- exact, or a prefix ending in '*'
    format     TEXT NOT NULL,       -- pubsub
    created_at BIGINT NOT NULL,
    UNIQUE (jid, node)
);

-- What changed in the four tables above, in order: the running service follows it, whoever wrote.
CREATE TABLE change (
    seq  INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,             -- series, consent, subscription
    key  BIGINT NOT NULL,
    at   BIGINT NOT NULL
);

-- One row per accepted item: the payload once, and beside it who is owed what of it.
CREATE TABLE journal (
    seq         INTEGER PRIMARY KEY,
    accepted_at BIGINT NOT NULL,
    publisher   TEXT NOT NULL,      -- bare address
    node        TEXT NOT NULL,
    item        TEXT NOT NULL,
    digest      BIGINT NOT NULL,    -- of the content, to know the same item again
    owed        BLOB NOT NULL,      -- subscriptions, the consents they rest on, the records they cover
    payload     BLOB NOT NULL       -- the resolved records, as SenML CBOR
);

-- How far each destination has confirmed the journal, and what is known of it.
CREATE TABLE destination (
    domain        TEXT PRIMARY KEY,
    confirmed     BIGINT NOT NULL,  -- everything owed to it up to this seq was taken by its server
    answers_pings BOOLEAN NOT NULL  -- it has answered a ping of ours at least once
);

-- Deliveries that will not succeed by trying again.
CREATE TABLE dead_letter (
    key          INTEGER PRIMARY KEY,
    seq          BIGINT NOT NULL,   -- in the journal, if the row is still there
    subscription BIGINT NOT NULL,
    jid          TEXT NOT NULL,
    node         TEXT NOT NULL,
    item         TEXT NOT NULL,
    condition    TEXT NOT NULL,     -- RFC 6120 §8.3.3
    at           BIGINT NOT NULL
);
