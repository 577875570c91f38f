-- When the mail of a sign-in was handed over to the mail server: its code counts from then on. Where nobody is
-- under the address it never is.
ALTER TABLE sign_in ADD COLUMN handed_at BIGINT;
UPDATE sign_in SET handed_at =
    (SELECT MAX(sent_at) FROM outbox WHERE outbox.sign_in_id = sign_in.id);
