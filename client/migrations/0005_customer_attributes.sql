-- What a shop was told of customers that suggestions are compared by (highstreet.models.customer_groups): one
-- coarse cell of each attribute, in its one spelling. Goes with the customer.

CREATE TABLE customer_attributes (
    customer INTEGER NOT NULL REFERENCES customers (customer) ON DELETE CASCADE,
    attribute TEXT NOT NULL
        CHECK (attribute IN ('age_band', 'household_size', 'income_band', 'language', 'place')),
    cell TEXT NOT NULL CHECK (cell <> ''),
    PRIMARY KEY (customer, attribute)
) STRICT, WITHOUT ROWID;

-- Files that may hold attributes, which were thrown away until now, may be imported once more; what is known
-- already is not saved twice.
UPDATE imports SET state = 'interrupted' WHERE state = 'saved' AND profile = 'highstreet-customers';
