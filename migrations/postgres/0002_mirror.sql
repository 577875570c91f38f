-- The mirror of everything that a customer's billing is made of. Every mirrored table has the same first and last
-- columns: id and livemode; stripe_at, the Stripe second that last wrote the row; deleted_at on a tombstone. Lists and
-- maps of Stripe's that are only shown are kept as JSON text.

ALTER TABLE customer ADD COLUMN currency TEXT COLLATE "C";
ALTER TABLE customer ADD COLUMN metadata TEXT COLLATE "C";
-- The id of a payment method or, for customers of the older kind, of a card.
ALTER TABLE customer ADD COLUMN default_payment_method TEXT COLLATE "C";

CREATE TABLE subscription (
    id                     TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    customer_id            TEXT COLLATE "C",
    -- As Stripe names it. An unknown word is kept as it is.
    status                 TEXT COLLATE "C",
    -- What the seller wrote about it.
    description            TEXT COLLATE "C",
    currency               TEXT COLLATE "C",
    collection_method      TEXT COLLATE "C",
    -- Set, or cancel_at_period_end 1, when it will end.
    cancel_at              BIGINT,
    cancel_at_period_end   BIGINT NOT NULL,
    canceled_at            BIGINT,
    ended_at               BIGINT,
    trial_start            BIGINT,
    trial_end              BIGINT,
    -- pause_collection.behavior and .resumes_at
    pause_behavior         TEXT COLLATE "C",
    pause_resumes_at       BIGINT,
    default_payment_method TEXT COLLATE "C",
    latest_invoice         TEXT COLLATE "C",
    metadata               TEXT COLLATE "C",
    start_date             BIGINT,
    created                BIGINT NOT NULL,
    livemode               BIGINT NOT NULL,
    stripe_at              BIGINT NOT NULL,
    deleted_at             BIGINT
);
CREATE INDEX subscription_by_customer ON subscription (customer_id);

-- Replaced together with their subscription, in the same transaction.
CREATE TABLE subscription_item (
    subscription_id      TEXT COLLATE "C"    NOT NULL,
    -- Their order in the subscription, from 0.
    position             BIGINT NOT NULL,
    id                   TEXT COLLATE "C",
    price_id             TEXT COLLATE "C",
    product_id           TEXT COLLATE "C",
    quantity             BIGINT,
    -- Each item has a period of its own; older versions of the API gave the subscription one.
    current_period_start BIGINT,
    current_period_end   BIGINT,
    PRIMARY KEY (subscription_id, position)
);
CREATE INDEX subscription_item_by_price ON subscription_item (price_id);

CREATE TABLE product (
    id                 TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    name               TEXT COLLATE "C",
    description        TEXT COLLATE "C",
    active             BIGINT NOT NULL,
    default_price      TEXT COLLATE "C",
    statement_descriptor TEXT COLLATE "C",
    unit_label         TEXT COLLATE "C",
    -- The names of its marketing features, as a JSON list.
    features           TEXT COLLATE "C",
    metadata           TEXT COLLATE "C",
    created            BIGINT NOT NULL,
    livemode           BIGINT NOT NULL,
    stripe_at          BIGINT NOT NULL,
    deleted_at         BIGINT
);

CREATE TABLE price (
    id                  TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    product_id          TEXT COLLATE "C",
    active              BIGINT NOT NULL,
    currency            TEXT COLLATE "C",
    -- In minor units, for one of it. With a fraction only the text below is set.
    unit_amount         BIGINT,
    unit_amount_decimal TEXT COLLATE "C",
    -- recurring or one_time
    type                TEXT COLLATE "C",
    -- day, week, month or year
    interval            TEXT COLLATE "C",
    interval_count      BIGINT,
    -- licensed or metered
    usage_type          TEXT COLLATE "C",
    meter               TEXT COLLATE "C",
    billing_scheme      TEXT COLLATE "C",
    tiers_mode          TEXT COLLATE "C",
    -- Stripe's list of tiers, as JSON.
    tiers               TEXT COLLATE "C",
    -- How many are counted as one, and how the rest is rounded, as JSON.
    transform_quantity  TEXT COLLATE "C",
    trial_period_days   BIGINT,
    tax_behavior        TEXT COLLATE "C",
    lookup_key          TEXT COLLATE "C",
    nickname            TEXT COLLATE "C",
    metadata            TEXT COLLATE "C",
    created             BIGINT NOT NULL,
    livemode            BIGINT NOT NULL,
    stripe_at           BIGINT NOT NULL,
    deleted_at          BIGINT
);
CREATE INDEX price_by_product ON price (product_id);
CREATE INDEX price_by_lookup_key ON price (lookup_key) WHERE lookup_key IS NOT NULL;

CREATE TABLE invoice (
    id                   TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    customer_id          TEXT COLLATE "C",
    subscription_id      TEXT COLLATE "C",
    number               TEXT COLLATE "C",
    status               TEXT COLLATE "C",
    billing_reason       TEXT COLLATE "C",
    currency             TEXT COLLATE "C",
    -- All in minor units.
    subtotal             BIGINT,
    total                BIGINT,
    amount_due           BIGINT,
    amount_paid          BIGINT,
    amount_remaining     BIGINT,
    -- Pages of Stripe's, open to whoever has the address.
    hosted_invoice_url   TEXT COLLATE "C",
    invoice_pdf          TEXT COLLATE "C",
    period_start         BIGINT,
    period_end           BIGINT,
    due_date             BIGINT,
    attempt_count        BIGINT,
    next_payment_attempt BIGINT,
    paid_at              BIGINT,
    created              BIGINT NOT NULL,
    livemode             BIGINT NOT NULL,
    stripe_at            BIGINT NOT NULL,
    deleted_at           BIGINT
);
CREATE INDEX invoice_by_customer ON invoice (customer_id, created);

CREATE TABLE payment_intent (
    id                TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    customer_id       TEXT COLLATE "C",
    status            TEXT COLLATE "C",
    currency          TEXT COLLATE "C",
    -- In minor units.
    amount            BIGINT,
    amount_received   BIGINT,
    payment_method_id TEXT COLLATE "C",
    -- Only older versions of the API name it here; see invoice_payment.
    invoice_id        TEXT COLLATE "C",
    -- Of the last payment error.
    error_code        TEXT COLLATE "C",
    decline_code      TEXT COLLATE "C",
    canceled_at       BIGINT,
    created           BIGINT NOT NULL,
    livemode          BIGINT NOT NULL,
    stripe_at         BIGINT NOT NULL,
    deleted_at        BIGINT
);
CREATE INDEX payment_intent_by_customer ON payment_intent (customer_id);

-- Which payment was made towards which invoice.
CREATE TABLE invoice_payment (
    id                TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    invoice_id        TEXT COLLATE "C",
    payment_intent_id TEXT COLLATE "C",
    status            TEXT COLLATE "C",
    currency          TEXT COLLATE "C",
    -- In minor units.
    amount_requested  BIGINT,
    amount_paid       BIGINT,
    is_default        BIGINT NOT NULL,
    paid_at           BIGINT,
    created           BIGINT NOT NULL,
    livemode          BIGINT NOT NULL,
    stripe_at         BIGINT NOT NULL,
    deleted_at        BIGINT
);
CREATE INDEX invoice_payment_by_invoice ON invoice_payment (invoice_id);

-- A payment method, or a card of the older kind.
CREATE TABLE payment_method (
    id          TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    -- NULL once it is detached.
    customer_id TEXT COLLATE "C",
    -- card, sepa_debit, link and so on
    type        TEXT COLLATE "C",
    -- Of a card its brand, of others the bank or the wallet.
    brand       TEXT COLLATE "C",
    last4       TEXT COLLATE "C",
    exp_month   BIGINT,
    exp_year    BIGINT,
    created     BIGINT NOT NULL,
    livemode    BIGINT NOT NULL,
    stripe_at   BIGINT NOT NULL,
    deleted_at  BIGINT
);
CREATE INDEX payment_method_by_customer ON payment_method (customer_id);

CREATE TABLE checkout_session (
    id                  TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    customer_id         TEXT COLLATE "C",
    mode                TEXT COLLATE "C",
    status              TEXT COLLATE "C",
    payment_status      TEXT COLLATE "C",
    currency            TEXT COLLATE "C",
    -- In minor units.
    amount_total        BIGINT,
    subscription_id     TEXT COLLATE "C",
    payment_intent_id   TEXT COLLATE "C",
    invoice_id          TEXT COLLATE "C",
    client_reference_id TEXT COLLATE "C",
    metadata            TEXT COLLATE "C",
    created             BIGINT NOT NULL,
    livemode            BIGINT NOT NULL,
    stripe_at           BIGINT NOT NULL,
    deleted_at          BIGINT
);
CREATE INDEX checkout_session_by_customer ON checkout_session (customer_id);

-- What a customer may use now. Stripe gives the summary no id: it is the customer's.
CREATE TABLE entitlement_summary (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    -- The lookup keys of the features, sorted, as a JSON list.
    lookup_keys TEXT COLLATE "C"   NOT NULL,
    livemode   BIGINT NOT NULL,
    stripe_at  BIGINT NOT NULL,
    deleted_at BIGINT
);

-- state is one of applied, stale, ignored, pending (wants to be looked at again), failed (is tried again) and dead.
-- due_at is when the worker takes it next, and is set for pending and failed alone.
ALTER TABLE event ADD COLUMN due_at BIGINT;
ALTER TABLE event ADD COLUMN customer_id TEXT COLLATE "C";
CREATE INDEX event_by_due ON event (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX event_by_customer ON event (customer_id, created) WHERE customer_id IS NOT NULL;
-- Payloads are deleted after EVENT_RETENTION_DAYS; ids stay.
CREATE INDEX event_with_payload ON event (received_at) WHERE payload <> '';

-- How far import and sweep have come. The value is theirs to read.
CREATE TABLE progress (
    name       TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    value      TEXT COLLATE "C"    NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Customers see what belongs to the customer records that they see, and what is for sale.
DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['subscription', 'invoice', 'payment_intent', 'payment_method', 'checkout_session'] LOOP
        EXECUTE format('GRANT SELECT ON %I TO billhook_customer', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        -- The inner query is bound by the policy on customer.
        EXECUTE format('CREATE POLICY of_customer ON %I FOR SELECT TO billhook_customer
            USING (customer_id IN (SELECT id FROM customer))', name);
        EXECUTE format('CREATE POLICY mirror ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
    END LOOP;
END
$$;
GRANT SELECT ON subscription_item, entitlement_summary, product, price TO billhook_customer;
ALTER TABLE subscription_item ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscription_item FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON subscription_item FOR SELECT TO billhook_customer
    USING (subscription_id IN (SELECT id FROM subscription));
CREATE POLICY mirror ON subscription_item TO CURRENT_USER USING (true) WITH CHECK (true);
ALTER TABLE entitlement_summary ENABLE ROW LEVEL SECURITY;
ALTER TABLE entitlement_summary FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON entitlement_summary FOR SELECT TO billhook_customer
    USING (id IN (SELECT id FROM customer));
CREATE POLICY mirror ON entitlement_summary TO CURRENT_USER USING (true) WITH CHECK (true);
