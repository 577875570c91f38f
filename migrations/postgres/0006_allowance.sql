-- What is still allowed, where a restart must not forget it. An allowance comes back evenly
-- and is full again at full_at, in unix milliseconds: 1000 mails in an hour are one in 3.6 seconds.
CREATE TABLE allowance (
    name    TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    full_at BIGINT NOT NULL
);
CREATE INDEX allowance_by_full_at ON allowance (full_at);

-- SHA-256 of the device cookie, where the browser that asked had signed in with this address before.
ALTER TABLE sign_in ADD COLUMN device TEXT COLLATE "C";

-- A session that is deleted takes its mails with it.
CREATE INDEX outbox_by_session ON outbox (session_id) WHERE session_id IS NOT NULL;
