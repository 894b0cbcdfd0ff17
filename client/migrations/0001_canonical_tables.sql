-- One shop's data in its own words. Row keys are opaque, never reused, and mean nothing outside this file.
-- Money is in ten-thousandths of the currency unit; order times are the shop's wall clock, in seconds since
-- 1970-01-01 00:00 of that clock; consent times are microseconds since 1970-01-01 UTC.

CREATE TABLE identity (
    vault_id TEXT NOT NULL,
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1)
) STRICT;

CREATE TABLE products (
    product INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL DEFAULT '',
    category TEXT NOT NULL DEFAULT '',
    product_type TEXT NOT NULL DEFAULT '',
    brand TEXT NOT NULL DEFAULT '',
    maker TEXT NOT NULL DEFAULT '',
    size TEXT NOT NULL DEFAULT '',
    price INTEGER CHECK (price >= 0),
    gtin TEXT NOT NULL DEFAULT '',
    -- 1 when a file of products named it; 0 when it is known from orders only. Only listed products are in the
    -- catalogue that models see: which products exist must not depend on what one customer bought.
    listed INTEGER NOT NULL DEFAULT 0 CHECK (listed IN (0, 1))
) STRICT;

CREATE TABLE customers (
    customer INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE orders (
    "order" INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL UNIQUE,
    customer INTEGER REFERENCES customers (customer),
    ordered_at INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_by_customer ON orders (customer, ordered_at);

CREATE TABLE lines (
    line INTEGER PRIMARY KEY,
    "order" INTEGER NOT NULL REFERENCES orders ("order"),
    product INTEGER NOT NULL REFERENCES products (product),
    quantity REAL NOT NULL CHECK (quantity > 0),
    unit_price INTEGER CHECK (unit_price >= 0),
    discount INTEGER NOT NULL DEFAULT 0 CHECK (discount >= 0)
) STRICT;
-- What makes a line the same line when it comes again in another file.
CREATE UNIQUE INDEX lines_once ON lines ("order", product, quantity, ifnull(unit_price, -1), discount);

-- Append-only. The state of a consent is derived from its events, never stored.
CREATE TABLE consents (
    position INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (customer),
    purpose TEXT NOT NULL,
    answer TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    source TEXT NOT NULL
) STRICT;
CREATE INDEX consents_by_customer ON consents (customer, purpose);
CREATE TRIGGER consents_are_not_changed BEFORE UPDATE ON consents
BEGIN
    SELECT raise(ABORT, 'consent events are never changed');
END;
CREATE TRIGGER consents_are_not_removed BEFORE DELETE ON consents
BEGIN
    SELECT raise(ABORT, 'consent events are never removed');
END;

CREATE TABLE imports (
    import INTEGER PRIMARY KEY AUTOINCREMENT,
    file_sha256 TEXT NOT NULL,
    file_name TEXT NOT NULL,
    profile TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reading', 'saved', 'interrupted')),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    rows_read INTEGER NOT NULL DEFAULT 0,
    rows_saved INTEGER NOT NULL DEFAULT 0,
    rows_left_out INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX imports_by_file ON imports (file_sha256, state);
