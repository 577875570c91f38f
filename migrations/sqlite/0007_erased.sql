-- Whom an operator erased: the ids of the customers and of all that was theirs, and nothing else. What comes about
-- any of them from then on, again or anew, is not taken in.
CREATE TABLE erased (
    id        TEXT    NOT NULL PRIMARY KEY,
    erased_at INTEGER NOT NULL
) STRICT;
