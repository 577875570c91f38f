-- When a sign-in ended that was not used, and why: it was asked for once too often, gave way to another, or another of its address
-- was used. used_at says only that it gave a session. Rows from before keep theirs: they live for minutes.
ALTER TABLE sign_in ADD COLUMN ended_at BIGINT;
ALTER TABLE sign_in ADD COLUMN ended_for TEXT;

-- When a mail was settled that is not to be sent. sent_at says only that the mail server has it, as handed_at of its sign-in
-- does.
ALTER TABLE outbox ADD COLUMN withheld_at BIGINT;
UPDATE outbox SET withheld_at = sent_at, sent_at = NULL
    WHERE sent_at IS NOT NULL AND sign_in_id IN (SELECT id FROM sign_in WHERE handed_at IS NULL);
DROP INDEX outbox_by_due;
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE sent_at IS NULL AND withheld_at IS NULL;
