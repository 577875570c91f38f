-- Why a session ended, to tell its owner; NULL where that was before this was kept.
ALTER TABLE session ADD COLUMN ended_for TEXT COLLATE "C";

-- The session that the sign-in gave. Its browser gets the same one again if it asks at once.
ALTER TABLE sign_in ADD COLUMN session_id TEXT COLLATE "C";

-- Addresses that were signed out everywhere, as the allowance of their devices names them. Cookies of known devices that do
-- not carry the mark end with that.
CREATE TABLE device_end (
    name     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    mark     TEXT COLLATE "C" NOT NULL,
    ended_at BIGINT NOT NULL
);
CREATE INDEX device_end_by_time ON device_end (ended_at);
