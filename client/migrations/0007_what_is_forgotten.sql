-- What a vault has forgotten, so that nothing is taken for not having been.

-- Up to when answers were emptied that are kept no longer, in microseconds since 1970-01-01 UTC: a yes of before
-- that in an old file may be one whose withdrawal is forgotten, and is not taken.
ALTER TABLE consent_anchor ADD COLUMN forgotten_before INTEGER;

-- Whether its owner ever accepted it as an older copy: names that the ledger knows customers by may be lost.
ALTER TABLE consent_anchor ADD COLUMN was_accepted INTEGER NOT NULL DEFAULT 0 CHECK (was_accepted IN (0, 1));

-- A copy from before somebody got such a name is an older one, though nobody answered anything in between.
CREATE TRIGGER pseudonyms_are_counted AFTER INSERT ON pseudonyms
BEGIN
    UPDATE consent_anchor SET changes = changes + 1;
END;
