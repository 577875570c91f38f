-- Times are unix seconds. Stripe's amounts are minor units. Tokens are kept as hashes only.

-- A mirrored Stripe customer. A row with deleted_at is a tombstone: it is kept for ever, empty, so
-- that no late event brings the customer back.
CREATE TABLE customer (
    id               TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    email            TEXT COLLATE "C",
    email_normalised TEXT COLLATE "C",
    name             TEXT COLLATE "C",
    description      TEXT COLLATE "C",
    phone            TEXT COLLATE "C",
    delinquent       BIGINT NOT NULL,
    livemode         BIGINT NOT NULL,
    created          BIGINT NOT NULL,
    -- The Stripe second that last wrote this row: the ordering rule compares with it.
    stripe_at        BIGINT NOT NULL,
    deleted_at       BIGINT
);
CREATE INDEX customer_by_email ON customer (email_normalised);

-- Every event that was ever answered 200, once.
CREATE TABLE event (
    id           TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    type         TEXT   COLLATE "C" NOT NULL,
    object_id    TEXT COLLATE "C",
    created      BIGINT NOT NULL,
    livemode     BIGINT NOT NULL,
    api_version  TEXT COLLATE "C",
    -- applied, stale or ignored
    state        TEXT   COLLATE "C" NOT NULL,
    attempts     BIGINT NOT NULL,
    error        TEXT COLLATE "C",
    received_at  BIGINT NOT NULL,
    processed_at BIGINT,
    payload      TEXT   COLLATE "C" NOT NULL
);
CREATE INDEX event_by_object ON event (object_id, created);

-- One attempt to prove an inbox.
CREATE TABLE sign_in (
    id           TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    email        TEXT   COLLATE "C" NOT NULL,
    token_hash   TEXT   COLLATE "C" NOT NULL UNIQUE,
    code_hash    TEXT   COLLATE "C" NOT NULL,
    browser_hash TEXT   COLLATE "C" NOT NULL,
    -- Wrong and right codes that were tried.
    attempts     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT
);
CREATE INDEX sign_in_by_email ON sign_in (email, expires_at);
CREATE INDEX sign_in_by_browser ON sign_in (browser_hash, expires_at);

-- A signed-in browser. Refresh tokens are derived from id and generation, so none is stored.
CREATE TABLE session (
    id              TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    email           TEXT   COLLATE "C" NOT NULL,
    generation      BIGINT NOT NULL,
    -- The newest generation whose tokens have come back: proof that the browser has them.
    seen_generation BIGINT NOT NULL,
    rotated_at      BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    ended_at        BIGINT
);
CREATE INDEX session_by_email ON session (email);

-- Mails to send. The text is made when it is sent, so that no secret lies here.
CREATE TABLE outbox (
    id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    sign_in_id TEXT   COLLATE "C" NOT NULL REFERENCES sign_in (id),
    asked_from TEXT   COLLATE "C" NOT NULL,
    attempts   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    sent_at    BIGINT
);
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE sent_at IS NULL;

-- Row-level security on what customers read. A customer-facing transaction becomes the role
-- billhook_customer and carries the verified address as a setting of that transaction alone; it
-- sees the rows of that address and nothing else, whatever the query says.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'billhook_customer') THEN
        CREATE ROLE billhook_customer NOLOGIN;
    END IF;
    EXECUTE format('GRANT billhook_customer TO %I', current_user);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO billhook_customer', current_schema());
END
$$;
GRANT SELECT ON customer TO billhook_customer;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
-- FORCE binds the table's owner too, who therefore needs a policy by name.
ALTER TABLE customer FORCE ROW LEVEL SECURITY;
CREATE POLICY customer_of_address ON customer FOR SELECT TO billhook_customer
    USING (email_normalised = NULLIF(current_setting('billhook.email', true), ''));
CREATE POLICY mirror ON customer TO CURRENT_USER USING (true) WITH CHECK (true);
