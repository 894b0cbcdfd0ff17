-- What customers are matched by across the shops of a co-op (docs/matching.md), each in its one spelling
-- (highstreet.privacy.matching.identifiers). One of each kind: a customer twice would be two people. Goes with
-- the customer.

CREATE TABLE identifiers (
    customer INTEGER NOT NULL REFERENCES customers (customer) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('email', 'loyalty-number')),
    value TEXT NOT NULL CHECK (value <> ''),
    PRIMARY KEY (customer, kind)
) STRICT, WITHOUT ROWID;

-- Files that may hold identifiers, which were thrown away until now, may be imported once more; what is known
-- already is not saved twice.
UPDATE imports SET state = 'interrupted'
    WHERE state = 'saved' AND profile IN ('highstreet-customers', 'shopify-orders');
