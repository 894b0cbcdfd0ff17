-- An order number is a customer's own: tills count from 1 again, and whose lines are kept must not depend on
-- who else has that number. Runs while foreign keys are off: lines refer to orders by name.

CREATE TABLE orders_by_customer_and_number (
    "order" INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL,
    customer INTEGER REFERENCES customers (customer),
    ordered_at INTEGER NOT NULL
) STRICT;
INSERT INTO orders_by_customer_and_number ("order", order_id, customer, ordered_at)
    SELECT "order", order_id, customer, ordered_at FROM orders ORDER BY "order";
DROP TABLE orders;
ALTER TABLE orders_by_customer_and_number RENAME TO orders;
CREATE INDEX orders_by_customer ON orders (customer, ordered_at);
-- Guests, whose customer is NULL, are one here; row keys of customers start at 1.
CREATE UNIQUE INDEX orders_once ON orders (order_id, ifnull(customer, 0));

-- Files of which lines were left out may be imported once more: lines of customers whose order number another
-- customer had are among them. Lines that are known already are not saved twice.
UPDATE imports SET state = 'interrupted'
    WHERE state = 'saved' AND rows_left_out > 0 AND profile IN ('highstreet-orders', 'shopify-orders');
