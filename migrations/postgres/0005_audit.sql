-- Who did what, and when: written once, never changed. Nothing in it signs in, and no address is whole.
CREATE TABLE audit (
    number  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    -- asked, signed-in, code-failed and so on: `domain::audit::What`
    what    TEXT COLLATE "C" NOT NULL,
    -- HMAC of the address, to find everything about one; and the masked address, to read.
    who     TEXT COLLATE "C",
    shown   TEXT COLLATE "C",
    client  TEXT COLLATE "C",
    session TEXT COLLATE "C",
    detail  TEXT COLLATE "C",
    -- What a stranger could repeat at will is written once for each of these.
    once    TEXT COLLATE "C"
);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_who ON audit (who, at);
CREATE UNIQUE INDEX audit_once ON audit (once) WHERE once IS NOT NULL;

-- Both: rights bind the program's own role, the trigger also a role that may do everything.
REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM CURRENT_USER;
CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses();

-- A sign-in is deleted with its mails: without this every one of them would be looked for in all.
CREATE INDEX outbox_by_sign_in ON outbox (sign_in_id);
