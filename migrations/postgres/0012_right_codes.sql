-- When the right code of a sign-in was last typed in its browser. Whoever types it again at once, before the first answer, has
-- typed no wrong one.
ALTER TABLE sign_in ADD COLUMN right_at BIGINT;
