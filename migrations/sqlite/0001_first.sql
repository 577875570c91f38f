-- Times are unix seconds. Stripe's amounts are minor units. Tokens are kept as hashes only.

-- A mirrored Stripe customer. A row with deleted_at is a tombstone: it is kept for ever, empty, so
-- that no late event brings the customer back.
CREATE TABLE customer (
    id               TEXT    NOT NULL PRIMARY KEY,
    email            TEXT,
    email_normalised TEXT,
    name             TEXT,
    description      TEXT,
    phone            TEXT,
    delinquent       INTEGER NOT NULL,
    livemode         INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    -- The Stripe second that last wrote this row: the ordering rule compares with it.
    stripe_at        INTEGER NOT NULL,
    deleted_at       INTEGER
) STRICT;
CREATE INDEX customer_by_email ON customer (email_normalised);

-- Every event that was ever answered 200, once.
CREATE TABLE event (
    id           TEXT    NOT NULL PRIMARY KEY,
    type         TEXT    NOT NULL,
    object_id    TEXT,
    created      INTEGER NOT NULL,
    livemode     INTEGER NOT NULL,
    api_version  TEXT,
    -- applied, stale or ignored
    state        TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    error        TEXT,
    received_at  INTEGER NOT NULL,
    processed_at INTEGER,
    payload      TEXT    NOT NULL
) STRICT;
CREATE INDEX event_by_object ON event (object_id, created);

-- One attempt to prove an inbox.
CREATE TABLE sign_in (
    id           TEXT    NOT NULL PRIMARY KEY,
    email        TEXT    NOT NULL,
    token_hash   TEXT    NOT NULL UNIQUE,
    code_hash    TEXT    NOT NULL,
    browser_hash TEXT    NOT NULL,
    -- Wrong and right codes that were tried.
    attempts     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT;
CREATE INDEX sign_in_by_email ON sign_in (email, expires_at);
CREATE INDEX sign_in_by_browser ON sign_in (browser_hash, expires_at);

-- A signed-in browser. Refresh tokens are derived from id and generation, so none is stored.
CREATE TABLE session (
    id              TEXT    NOT NULL PRIMARY KEY,
    email           TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    -- The newest generation whose tokens have come back: proof that the browser has them.
    seen_generation INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER
) STRICT;
CREATE INDEX session_by_email ON session (email);

-- Mails to send. The text is made when it is sent, so that no secret lies here.
CREATE TABLE outbox (
    id         TEXT    NOT NULL PRIMARY KEY,
    sign_in_id TEXT    NOT NULL REFERENCES sign_in (id),
    asked_from TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE sent_at IS NULL;
