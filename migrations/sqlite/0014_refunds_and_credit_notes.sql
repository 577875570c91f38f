-- What was given back, and what was credited towards invoices.

CREATE TABLE refund (
    id                TEXT NOT NULL PRIMARY KEY,
    -- Only newer versions of the API name it; see payment_intent_id.
    customer_id       TEXT,
    -- What was paid and is given back. The customer of the payment is that of the refund.
    payment_intent_id TEXT,
    charge_id         TEXT,
    -- In minor units.
    amount            INTEGER,
    currency          TEXT,
    -- pending, requires_action, succeeded, failed or canceled
    status            TEXT,
    reason            TEXT,
    failure_reason    TEXT,
    -- That of the receipt that the customer got by mail.
    receipt_number    TEXT,
    created           INTEGER NOT NULL,
    livemode          INTEGER NOT NULL,
    stripe_at         INTEGER NOT NULL,
    deleted_at        INTEGER
) STRICT;
CREATE INDEX refund_by_customer ON refund (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX refund_by_payment_intent ON refund (payment_intent_id);
CREATE INDEX refund_by_charge ON refund (charge_id);

CREATE TABLE credit_note (
    id                  TEXT NOT NULL PRIMARY KEY,
    customer_id         TEXT,
    invoice_id          TEXT,
    number              TEXT,
    -- issued or void
    status              TEXT,
    -- pre_payment, post_payment or mixed
    type                TEXT,
    reason              TEXT,
    currency            TEXT,
    -- All in minor units: the whole, with tax; what lowers the amount due of an open invoice; and what is given back of
    -- a paid one.
    amount              INTEGER,
    pre_payment_amount  INTEGER,
    post_payment_amount INTEGER,
    -- A file of Stripe's, open to whoever has the address.
    pdf                 TEXT,
    -- The ids of the refunds that were made with it, as a JSON list.
    refunds             TEXT,
    voided_at           INTEGER,
    created             INTEGER NOT NULL,
    livemode            INTEGER NOT NULL,
    stripe_at           INTEGER NOT NULL,
    deleted_at          INTEGER
) STRICT;
CREATE INDEX credit_note_by_customer ON credit_note (customer_id, created);
CREATE INDEX credit_note_by_invoice ON credit_note (invoice_id);
