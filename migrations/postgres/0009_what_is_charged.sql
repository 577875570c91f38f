-- What a card needs to say what Stripe will charge, and with what.

ALTER TABLE customer ADD COLUMN default_source TEXT COLLATE "C";
-- The id of the customer's discount, as a JSON list: the form that subscriptions and their items have.
ALTER TABLE customer ADD COLUMN discounts TEXT COLLATE "C";
ALTER TABLE subscription ADD COLUMN default_source TEXT COLLATE "C";
ALTER TABLE subscription ADD COLUMN discounts TEXT COLLATE "C";
-- The currency that the customer pays in, where that is not the subscription's own (adaptive pricing).
ALTER TABLE subscription ADD COLUMN presentment_currency TEXT COLLATE "C";
-- 1 where tax is added to the prices: by Stripe itself, or by rates that are not inclusive.
ALTER TABLE subscription ADD COLUMN automatic_tax BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN exclusive_tax BIGINT NOT NULL DEFAULT 0;
-- 1 where Stripe said that there are more items than these, and could not be asked for them.
ALTER TABLE subscription ADD COLUMN is_cut BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscription_item ADD COLUMN discounts TEXT COLLATE "C";
-- When the item's price was made: a price that is made anew with the id of one that was deleted is another.
ALTER TABLE subscription_item ADD COLUMN price_created BIGINT;
-- What plans had before products: customers were shown it, unlike the nickname.
ALTER TABLE price ADD COLUMN name TEXT COLLATE "C";
-- charge_automatically or send_invoice
ALTER TABLE invoice ADD COLUMN collection_method TEXT COLLATE "C";
CREATE INDEX invoice_open ON invoice (customer_id) WHERE status = 'open';

-- seen_at: nothing is known of the object but what stood inside another one, which was true at that Stripe second. NULL
-- once its own event, or a read of it, has written the row.
ALTER TABLE price ADD COLUMN seen_at BIGINT;
ALTER TABLE product ADD COLUMN seen_at BIGINT;
ALTER TABLE payment_method ADD COLUMN seen_at BIGINT;
-- Their tombstones lost all fields. Whatever tells them again is better.
UPDATE price SET seen_at = 0 WHERE deleted_at IS NOT NULL;
UPDATE product SET seen_at = 0 WHERE deleted_at IS NOT NULL;

CREATE TABLE coupon (
    id                 TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    name               TEXT COLLATE "C",
    -- A decimal, such as 12.5; or else amount_off, in minor units of the currency.
    percent_off        TEXT COLLATE "C",
    amount_off         BIGINT,
    currency           TEXT COLLATE "C",
    -- Stripe's map from currencies to amounts, as JSON.
    currency_options   TEXT COLLATE "C",
    -- once, repeating or forever
    duration           TEXT COLLATE "C",
    duration_in_months BIGINT,
    -- The ids of the products that it is restricted to, as a JSON list: empty for all. NULL where Stripe has not been
    -- asked, since no event says it.
    applies_to         TEXT COLLATE "C",
    created            BIGINT NOT NULL,
    seen_at            BIGINT,
    livemode           BIGINT NOT NULL,
    stripe_at          BIGINT NOT NULL,
    deleted_at         BIGINT
);

CREATE TABLE discount (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    customer_id     TEXT COLLATE "C",
    -- What it is on; all of the customer's subscriptions where neither is set and it is not elsewhere.
    subscription_id TEXT COLLATE "C",
    item_id         TEXT COLLATE "C",
    -- 1 where it is on an invoice or a checkout alone.
    is_elsewhere    BIGINT NOT NULL,
    coupon_id       TEXT COLLATE "C",
    -- From and until when it counts. It has no end where the coupon's duration is once or forever.
    starts_at       BIGINT NOT NULL,
    ends_at         BIGINT,
    seen_at         BIGINT,
    livemode        BIGINT NOT NULL,
    stripe_at       BIGINT NOT NULL,
    deleted_at      BIGINT
);
CREATE INDEX discount_by_customer ON discount (customer_id);

-- Objects that events name and of which too little is known: Stripe is asked about each at due_at, which is NULL once it
-- has been asked in vain.
CREATE TABLE unknown_object (
    -- A noun of Stripe's, as its lists are called: customers, coupons.
    list     TEXT COLLATE "C" NOT NULL,
    id       TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    due_at   BIGINT,
    PRIMARY KEY (list, id)
);
CREATE INDEX unknown_object_by_due ON unknown_object (due_at) WHERE due_at IS NOT NULL;

-- Customers see their own discounts, and every coupon: what it says is no secret, and a discount names it.
GRANT SELECT ON coupon, discount TO billhook_customer;
ALTER TABLE discount ENABLE ROW LEVEL SECURITY;
ALTER TABLE discount FORCE ROW LEVEL SECURITY;
CREATE POLICY mirror ON discount TO CURRENT_USER USING (true) WITH CHECK (true);

-- A payment method that was detached, and a discount that was taken away, is nobody's, so no customer sees its row. That it
-- is known all the same, and therefore over, is told by its id alone.
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION known_of(ids TEXT[]) RETURNS SETOF TEXT LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = %I, pg_temp AS
        $body$SELECT id FROM payment_method WHERE id = ANY (ids) UNION ALL SELECT id FROM discount WHERE id = ANY (ids) AND deleted_at IS NOT NULL$body$',
        current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION known_of(TEXT[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION known_of(TEXT[]) TO billhook_customer;

-- The policies compare with an array that is made once for the query. With IN (SELECT ...) the planner read the whole
-- table and looked each row up in a hash of the inner query, whatever index there was.
DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['subscription', 'invoice', 'payment_intent', 'payment_method', 'checkout_session'] LOOP
        EXECUTE format('DROP POLICY of_customer ON %I', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['subscription', 'invoice', 'payment_intent', 'payment_method', 'checkout_session',
        'discount'] LOOP
        EXECUTE format('CREATE POLICY of_customer ON %I FOR SELECT TO billhook_customer
            USING (customer_id = ANY (ARRAY(SELECT id FROM customer)))', name);
    END LOOP;
END
$$;
DROP POLICY of_customer ON subscription_item;
CREATE POLICY of_customer ON subscription_item FOR SELECT TO billhook_customer
    USING (subscription_id = ANY (ARRAY(SELECT id FROM subscription)));
DROP POLICY of_customer ON entitlement_summary;
CREATE POLICY of_customer ON entitlement_summary FOR SELECT TO billhook_customer
    USING (id = ANY (ARRAY(SELECT id FROM customer)));
