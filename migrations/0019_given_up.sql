-- Deliveries whose dead letter was tried again, as a row of its own, or dropped: the first row must not deliver
-- them after a restart, though it may still be owed to others. Gone when that row is pruned.
CREATE TABLE given_up (
    seq BIGINT NOT NULL,
    subscription BIGINT NOT NULL,
    PRIMARY KEY (seq, subscription)
);
