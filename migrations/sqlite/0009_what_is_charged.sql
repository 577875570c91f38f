-- What a card needs to say what Stripe will charge, and with what.

ALTER TABLE customer ADD COLUMN default_source TEXT;
-- The id of the customer's discount, as a JSON list: the form that subscriptions and their items have.
ALTER TABLE customer ADD COLUMN discounts TEXT;
ALTER TABLE subscription ADD COLUMN default_source TEXT;
ALTER TABLE subscription ADD COLUMN discounts TEXT;
-- The currency that the customer pays in, where that is not the subscription's own (adaptive pricing).
ALTER TABLE subscription ADD COLUMN presentment_currency TEXT;
-- 1 where tax is added to the prices: by Stripe itself, or by rates that are not inclusive.
ALTER TABLE subscription ADD COLUMN automatic_tax INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN exclusive_tax INTEGER NOT NULL DEFAULT 0;
-- 1 where Stripe said that there are more items than these, and could not be asked for them.
ALTER TABLE subscription ADD COLUMN is_cut INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscription_item ADD COLUMN discounts TEXT;
-- When the item's price was made: a price that is made anew with the id of one that was deleted is another.
ALTER TABLE subscription_item ADD COLUMN price_created INTEGER;
-- What plans had before products: customers were shown it, unlike the nickname.
ALTER TABLE price ADD COLUMN name TEXT;
-- charge_automatically or send_invoice
ALTER TABLE invoice ADD COLUMN collection_method TEXT;
CREATE INDEX invoice_open ON invoice (customer_id) WHERE status = 'open';

-- seen_at: nothing is known of the object but what stood inside another one, which was true at that Stripe second. NULL
-- once its own event, or a read of it, has written the row.
ALTER TABLE price ADD COLUMN seen_at INTEGER;
ALTER TABLE product ADD COLUMN seen_at INTEGER;
ALTER TABLE payment_method ADD COLUMN seen_at INTEGER;
-- Their tombstones lost all fields. Whatever tells them again is better.
UPDATE price SET seen_at = 0 WHERE deleted_at IS NOT NULL;
UPDATE product SET seen_at = 0 WHERE deleted_at IS NOT NULL;

CREATE TABLE coupon (
    id                 TEXT    NOT NULL PRIMARY KEY,
    name               TEXT,
    -- A decimal, such as 12.5; or else amount_off, in minor units of the currency.
    percent_off        TEXT,
    amount_off         INTEGER,
    currency           TEXT,
    -- Stripe's map from currencies to amounts, as JSON.
    currency_options   TEXT,
    -- once, repeating or forever
    duration           TEXT,
    duration_in_months INTEGER,
    -- The ids of the products that it is restricted to, as a JSON list: empty for all. NULL where Stripe has not been
    -- asked, since no event says it.
    applies_to         TEXT,
    created            INTEGER NOT NULL,
    seen_at            INTEGER,
    livemode           INTEGER NOT NULL,
    stripe_at          INTEGER NOT NULL,
    deleted_at         INTEGER
) STRICT;

CREATE TABLE discount (
    id              TEXT NOT NULL PRIMARY KEY,
    customer_id     TEXT,
    -- What it is on; all of the customer's subscriptions where neither is set and it is not elsewhere.
    subscription_id TEXT,
    item_id         TEXT,
    -- 1 where it is on an invoice or a checkout alone.
    is_elsewhere    INTEGER NOT NULL,
    coupon_id       TEXT,
    -- From and until when it counts. It has no end where the coupon's duration is once or forever.
    starts_at       INTEGER NOT NULL,
    ends_at         INTEGER,
    seen_at         INTEGER,
    livemode        INTEGER NOT NULL,
    stripe_at       INTEGER NOT NULL,
    deleted_at      INTEGER
) STRICT;
CREATE INDEX discount_by_customer ON discount (customer_id);

-- Objects that events name and of which too little is known: Stripe is asked about each at due_at, which is NULL once it
-- has been asked in vain.
CREATE TABLE unknown_object (
    -- A noun of Stripe's, as its lists are called: customers, coupons.
    list     TEXT NOT NULL,
    id       TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at   INTEGER,
    PRIMARY KEY (list, id)
) STRICT;
CREATE INDEX unknown_object_by_due ON unknown_object (due_at) WHERE due_at IS NOT NULL;
