-- What was given back, and what was credited towards invoices.

CREATE TABLE refund (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Only newer versions of the API name it; see payment_intent_id.
    customer_id       TEXT COLLATE "C",
    -- What was paid and is given back. The customer of the payment is that of the refund.
    payment_intent_id TEXT COLLATE "C",
    charge_id         TEXT COLLATE "C",
    -- In minor units.
    amount            BIGINT,
    currency          TEXT COLLATE "C",
    -- pending, requires_action, succeeded, failed or canceled
    status            TEXT COLLATE "C",
    reason            TEXT COLLATE "C",
    failure_reason    TEXT COLLATE "C",
    -- That of the receipt that the customer got by mail.
    receipt_number    TEXT COLLATE "C",
    created           BIGINT NOT NULL,
    livemode          BIGINT NOT NULL,
    stripe_at         BIGINT NOT NULL,
    deleted_at        BIGINT
);
CREATE INDEX refund_by_customer ON refund (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX refund_by_payment_intent ON refund (payment_intent_id);
CREATE INDEX refund_by_charge ON refund (charge_id);

CREATE TABLE credit_note (
    id                  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    customer_id         TEXT COLLATE "C",
    invoice_id          TEXT COLLATE "C",
    number              TEXT COLLATE "C",
    -- issued or void
    status              TEXT COLLATE "C",
    -- pre_payment, post_payment or mixed
    type                TEXT COLLATE "C",
    reason              TEXT COLLATE "C",
    currency            TEXT COLLATE "C",
    -- All in minor units: the whole, with tax; what lowers the amount due of an open invoice; and what is given back of
    -- a paid one.
    amount              BIGINT,
    pre_payment_amount  BIGINT,
    post_payment_amount BIGINT,
    -- A file of Stripe's, open to whoever has the address.
    pdf                 TEXT COLLATE "C",
    -- The ids of the refunds that were made with it, as a JSON list.
    refunds             TEXT COLLATE "C",
    voided_at           BIGINT,
    created             BIGINT NOT NULL,
    livemode            BIGINT NOT NULL,
    stripe_at           BIGINT NOT NULL,
    deleted_at          BIGINT
);
CREATE INDEX credit_note_by_customer ON credit_note (customer_id, created);
CREATE INDEX credit_note_by_invoice ON credit_note (invoice_id);

-- Customers see their own: of refunds those of their payments too. The inner queries are bound by the policies of their
-- tables, and are made into an array once, so that the indices are used.
GRANT SELECT ON refund, credit_note TO billhook_customer;
ALTER TABLE refund ENABLE ROW LEVEL SECURITY;
ALTER TABLE refund FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON refund FOR SELECT TO billhook_customer
    USING (customer_id = ANY (ARRAY(SELECT id FROM customer))
        OR payment_intent_id = ANY (ARRAY(SELECT id FROM payment_intent)));
CREATE POLICY mirror ON refund TO CURRENT_USER USING (true) WITH CHECK (true);
ALTER TABLE credit_note ENABLE ROW LEVEL SECURITY;
ALTER TABLE credit_note FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON credit_note FOR SELECT TO billhook_customer
    USING (customer_id = ANY (ARRAY(SELECT id FROM customer)));
CREATE POLICY mirror ON credit_note TO CURRENT_USER USING (true) WITH CHECK (true);
