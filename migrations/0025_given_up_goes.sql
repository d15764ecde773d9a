-- What a row must not deliver goes with the row: to look for it at every pruning would cost as much as there is.
CREATE TRIGGER given_up_goes AFTER DELETE ON journal
BEGIN
    DELETE FROM given_up WHERE seq = OLD.seq;
END;
