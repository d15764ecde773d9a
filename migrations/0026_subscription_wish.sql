-- Consents are of bare addresses. Which address asked for one by subscribing, and in which format it wants to be
-- sent what it asked for: that is what is subscribed when it is given.
CREATE TABLE subscription_wish (
    consent BIGINT PRIMARY KEY REFERENCES consent (key),
    jid     TEXT NOT NULL,
    format  TEXT NOT NULL
);
