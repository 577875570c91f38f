-- The generation that the present one was made from: no other older one is ever answered again.
ALTER TABLE session ADD COLUMN parent_generation BIGINT NOT NULL DEFAULT 0;
-- When the browser was last heard of, to the minute.
ALTER TABLE session ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;
-- The browser in words, for the list of signed-in devices.
ALTER TABLE session ADD COLUMN browser TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE session SET parent_generation = generation - 1, active_at = rotated_at;
CREATE INDEX session_by_activity ON session (active_at) WHERE ended_at IS NULL;
CREATE INDEX session_by_age ON session (created_at) WHERE ended_at IS NULL;

-- Mails are of several kinds: sign_in, which is about a sign-in, and reuse, which is about a session.
ALTER TABLE outbox ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT 'sign_in';
ALTER TABLE outbox ALTER COLUMN sign_in_id DROP NOT NULL;
ALTER TABLE outbox ADD COLUMN session_id TEXT COLLATE "C" REFERENCES session (id) ON DELETE CASCADE;
