-- Since when an event is being tried, if it was replayed; otherwise since it was received. After 72 hours it is dead.
ALTER TABLE event ADD COLUMN tried_since INTEGER;
