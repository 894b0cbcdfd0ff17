-- What customers' rights need (docs/rights.md).

-- What the budget ledger knows a customer by: 32 random bytes, made when they are first exposed. They lie here
-- alone; once they are gone, nobody can tell whose the ledger's entries were.
CREATE TABLE pseudonyms (
    customer INTEGER PRIMARY KEY REFERENCES customers (customer) ON DELETE CASCADE,
    pseudonym BLOB NOT NULL CHECK (length(pseudonym) = 32)
) STRICT;

-- What was asked for under somebody's rights, and done. Times are unix seconds. An erasure's row keys stay for
-- as long as it is not finished, and nothing of the person after it.
CREATE TABLE rights_requests (
    request INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL
        CHECK (kind IN ('access', 'correct', 'restrict', 'lift', 'object', 'erase')),
    customer INTEGER REFERENCES customers (customer) ON DELETE SET NULL,
    made_at INTEGER NOT NULL,
    source TEXT NOT NULL,
    folder TEXT NOT NULL DEFAULT '',
    erasure_id TEXT NOT NULL DEFAULT '',
    unfinished TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX rights_requests_by_customer ON rights_requests (customer);
