-- The mirror of everything that a customer's billing is made of. Every mirrored table has the same first and last
-- columns: id and livemode; stripe_at, the Stripe second that last wrote the row; deleted_at on a tombstone. Lists and
-- maps of Stripe's that are only shown are kept as JSON text.

ALTER TABLE customer ADD COLUMN currency TEXT;
ALTER TABLE customer ADD COLUMN metadata TEXT;
-- The id of a payment method or, for customers of the older kind, of a card.
ALTER TABLE customer ADD COLUMN default_payment_method TEXT;

CREATE TABLE subscription (
    id                     TEXT    NOT NULL PRIMARY KEY,
    customer_id            TEXT,
    -- As Stripe names it. An unknown word is kept as it is.
    status                 TEXT,
    -- What the seller wrote about it.
    description            TEXT,
    currency               TEXT,
    collection_method      TEXT,
    -- Set, or cancel_at_period_end 1, when it will end.
    cancel_at              INTEGER,
    cancel_at_period_end   INTEGER NOT NULL,
    canceled_at            INTEGER,
    ended_at               INTEGER,
    trial_start            INTEGER,
    trial_end              INTEGER,
    -- pause_collection.behavior and .resumes_at
    pause_behavior         TEXT,
    pause_resumes_at       INTEGER,
    default_payment_method TEXT,
    latest_invoice         TEXT,
    metadata               TEXT,
    start_date             INTEGER,
    created                INTEGER NOT NULL,
    livemode               INTEGER NOT NULL,
    stripe_at              INTEGER NOT NULL,
    deleted_at             INTEGER
) STRICT;
CREATE INDEX subscription_by_customer ON subscription (customer_id);

-- Replaced together with their subscription, in the same transaction.
CREATE TABLE subscription_item (
    subscription_id      TEXT    NOT NULL,
    -- Their order in the subscription, from 0.
    position             INTEGER NOT NULL,
    id                   TEXT,
    price_id             TEXT,
    product_id           TEXT,
    quantity             INTEGER,
    -- Each item has a period of its own; older versions of the API gave the subscription one.
    current_period_start INTEGER,
    current_period_end   INTEGER,
    PRIMARY KEY (subscription_id, position)
) STRICT;
CREATE INDEX subscription_item_by_price ON subscription_item (price_id);

CREATE TABLE product (
    id                 TEXT    NOT NULL PRIMARY KEY,
    name               TEXT,
    description        TEXT,
    active             INTEGER NOT NULL,
    default_price      TEXT,
    statement_descriptor TEXT,
    unit_label         TEXT,
    -- The names of its marketing features, as a JSON list.
    features           TEXT,
    metadata           TEXT,
    created            INTEGER NOT NULL,
    livemode           INTEGER NOT NULL,
    stripe_at          INTEGER NOT NULL,
    deleted_at         INTEGER
) STRICT;

CREATE TABLE price (
    id                  TEXT    NOT NULL PRIMARY KEY,
    product_id          TEXT,
    active              INTEGER NOT NULL,
    currency            TEXT,
    -- In minor units, for one of it. With a fraction only the text below is set.
    unit_amount         INTEGER,
    unit_amount_decimal TEXT,
    -- recurring or one_time
    type                TEXT,
    -- day, week, month or year
    interval            TEXT,
    interval_count      INTEGER,
    -- licensed or metered
    usage_type          TEXT,
    meter               TEXT,
    billing_scheme      TEXT,
    tiers_mode          TEXT,
    -- Stripe's list of tiers, as JSON.
    tiers               TEXT,
    -- How many are counted as one, and how the rest is rounded, as JSON.
    transform_quantity  TEXT,
    trial_period_days   INTEGER,
    tax_behavior        TEXT,
    lookup_key          TEXT,
    nickname            TEXT,
    metadata            TEXT,
    created             INTEGER NOT NULL,
    livemode            INTEGER NOT NULL,
    stripe_at           INTEGER NOT NULL,
    deleted_at          INTEGER
) STRICT;
CREATE INDEX price_by_product ON price (product_id);
CREATE INDEX price_by_lookup_key ON price (lookup_key) WHERE lookup_key IS NOT NULL;

CREATE TABLE invoice (
    id                   TEXT    NOT NULL PRIMARY KEY,
    customer_id          TEXT,
    subscription_id      TEXT,
    number               TEXT,
    status               TEXT,
    billing_reason       TEXT,
    currency             TEXT,
    -- All in minor units.
    subtotal             INTEGER,
    total                INTEGER,
    amount_due           INTEGER,
    amount_paid          INTEGER,
    amount_remaining     INTEGER,
    -- Pages of Stripe's, open to whoever has the address.
    hosted_invoice_url   TEXT,
    invoice_pdf          TEXT,
    period_start         INTEGER,
    period_end           INTEGER,
    due_date             INTEGER,
    attempt_count        INTEGER,
    next_payment_attempt INTEGER,
    paid_at              INTEGER,
    created              INTEGER NOT NULL,
    livemode             INTEGER NOT NULL,
    stripe_at            INTEGER NOT NULL,
    deleted_at           INTEGER
) STRICT;
CREATE INDEX invoice_by_customer ON invoice (customer_id, created);

CREATE TABLE payment_intent (
    id                TEXT    NOT NULL PRIMARY KEY,
    customer_id       TEXT,
    status            TEXT,
    currency          TEXT,
    -- In minor units.
    amount            INTEGER,
    amount_received   INTEGER,
    payment_method_id TEXT,
    -- Only older versions of the API name it here; see invoice_payment.
    invoice_id        TEXT,
    -- Of the last payment error.
    error_code        TEXT,
    decline_code      TEXT,
    canceled_at       INTEGER,
    created           INTEGER NOT NULL,
    livemode          INTEGER NOT NULL,
    stripe_at         INTEGER NOT NULL,
    deleted_at        INTEGER
) STRICT;
CREATE INDEX payment_intent_by_customer ON payment_intent (customer_id);

-- Which payment was made towards which invoice.
CREATE TABLE invoice_payment (
    id                TEXT    NOT NULL PRIMARY KEY,
    invoice_id        TEXT,
    payment_intent_id TEXT,
    status            TEXT,
    currency          TEXT,
    -- In minor units.
    amount_requested  INTEGER,
    amount_paid       INTEGER,
    is_default        INTEGER NOT NULL,
    paid_at           INTEGER,
    created           INTEGER NOT NULL,
    livemode          INTEGER NOT NULL,
    stripe_at         INTEGER NOT NULL,
    deleted_at        INTEGER
) STRICT;
CREATE INDEX invoice_payment_by_invoice ON invoice_payment (invoice_id);

-- A payment method, or a card of the older kind.
CREATE TABLE payment_method (
    id          TEXT    NOT NULL PRIMARY KEY,
    -- NULL once it is detached.
    customer_id TEXT,
    -- card, sepa_debit, link and so on
    type        TEXT,
    -- Of a card its brand, of others the bank or the wallet.
    brand       TEXT,
    last4       TEXT,
    exp_month   INTEGER,
    exp_year    INTEGER,
    created     INTEGER NOT NULL,
    livemode    INTEGER NOT NULL,
    stripe_at   INTEGER NOT NULL,
    deleted_at  INTEGER
) STRICT;
CREATE INDEX payment_method_by_customer ON payment_method (customer_id);

CREATE TABLE checkout_session (
    id                  TEXT    NOT NULL PRIMARY KEY,
    customer_id         TEXT,
    mode                TEXT,
    status              TEXT,
    payment_status      TEXT,
    currency            TEXT,
    -- In minor units.
    amount_total        INTEGER,
    subscription_id     TEXT,
    payment_intent_id   TEXT,
    invoice_id          TEXT,
    client_reference_id TEXT,
    metadata            TEXT,
    created             INTEGER NOT NULL,
    livemode            INTEGER NOT NULL,
    stripe_at           INTEGER NOT NULL,
    deleted_at          INTEGER
) STRICT;
CREATE INDEX checkout_session_by_customer ON checkout_session (customer_id);

-- What a customer may use now. Stripe gives the summary no id: it is the customer's.
CREATE TABLE entitlement_summary (
    id         TEXT    NOT NULL PRIMARY KEY,
    -- The lookup keys of the features, sorted, as a JSON list.
    lookup_keys TEXT   NOT NULL,
    livemode   INTEGER NOT NULL,
    stripe_at  INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- state is one of applied, stale, ignored, pending (wants to be looked at again), failed (is tried again) and dead.
-- due_at is when the worker takes it next, and is set for pending and failed alone.
ALTER TABLE event ADD COLUMN due_at INTEGER;
ALTER TABLE event ADD COLUMN customer_id TEXT;
CREATE INDEX event_by_due ON event (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX event_by_customer ON event (customer_id, created) WHERE customer_id IS NOT NULL;
-- Payloads are deleted after EVENT_RETENTION_DAYS; ids stay.
CREATE INDEX event_with_payload ON event (received_at) WHERE payload <> '';

-- How far import and sweep have come. The value is theirs to read.
CREATE TABLE progress (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
