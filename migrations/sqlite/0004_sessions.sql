-- The generation that the present one was made from: no other older one is ever answered again.
ALTER TABLE session ADD COLUMN parent_generation INTEGER NOT NULL DEFAULT 0;
-- When the browser was last heard of, to the minute.
ALTER TABLE session ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;
-- The browser in words, for the list of signed-in devices.
ALTER TABLE session ADD COLUMN browser TEXT NOT NULL DEFAULT '';
UPDATE session SET parent_generation = generation - 1, active_at = rotated_at;
CREATE INDEX session_by_activity ON session (active_at) WHERE ended_at IS NULL;
CREATE INDEX session_by_age ON session (created_at) WHERE ended_at IS NULL;

-- Mails are of several kinds: sign_in, which is about a sign-in, and reuse, which is about a session.
CREATE TABLE outbox_of_kinds (
    id         TEXT    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    sign_in_id TEXT    REFERENCES sign_in (id),
    session_id TEXT    REFERENCES session (id) ON DELETE CASCADE,
    asked_from TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;
INSERT INTO outbox_of_kinds (id, kind, sign_in_id, asked_from, attempts, due_at, sent_at)
    SELECT id, 'sign_in', sign_in_id, asked_from, attempts, due_at, sent_at FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_of_kinds RENAME TO outbox;
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE sent_at IS NULL;
