-- Who did what, and when: written once, never changed. Nothing in it signs in, and no address is whole.
CREATE TABLE audit (
    number  INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    at      INTEGER NOT NULL,
    -- asked, signed-in, code-failed and so on: `domain::audit::What`
    what    TEXT    NOT NULL,
    -- HMAC of the address, to find everything about one; and the masked address, to read.
    who     TEXT,
    shown   TEXT,
    client  TEXT,
    session TEXT,
    detail  TEXT,
    -- What a stranger could repeat at will is written once for each of these.
    once    TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_who ON audit (who, at);
CREATE UNIQUE INDEX audit_once ON audit (once) WHERE once IS NOT NULL;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_written_once BEFORE INSERT ON audit
WHEN NEW.once IS NOT NULL AND EXISTS (SELECT 1 FROM audit WHERE once = NEW.once)
BEGIN
    SELECT RAISE(IGNORE);
END;

-- A sign-in is deleted with its mails: without this every one of them would be looked for in all.
CREATE INDEX outbox_by_sign_in ON outbox (sign_in_id);
