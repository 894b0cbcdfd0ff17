"""The ledger's tables, as a list of migrations that is only ever added to."""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

_VERSION_1 = """
CREATE TABLE identity (
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1)
) STRICT;
CREATE TABLE rounds (
    sequence INTEGER PRIMARY KEY,
    programme_id TEXT NOT NULL,
    phase INTEGER NOT NULL,
    request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
    day INTEGER NOT NULL,
    noise_multiplier REAL NOT NULL,
    sampling_rate REAL NOT NULL,
    customers_sha256 BLOB NOT NULL CHECK (length(customers_sha256) = 32),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    UNIQUE (programme_id, phase)
) STRICT;
CREATE TABLE exposures (
    sequence INTEGER NOT NULL REFERENCES rounds (sequence),
    customer BLOB NOT NULL CHECK (length(customer) = 16),
    PRIMARY KEY (sequence, customer)
) STRICT, WITHOUT ROWID;
CREATE TABLE replies (
    sequence INTEGER PRIMARY KEY,
    round INTEGER NOT NULL UNIQUE REFERENCES rounds (sequence),
    reply BLOB NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
CREATE INDEX rounds_by_day ON rounds (day);
CREATE TRIGGER rounds_stay BEFORE UPDATE ON rounds BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER rounds_remain BEFORE DELETE ON rounds BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER exposures_stay BEFORE UPDATE ON exposures BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER exposures_remain BEFORE DELETE ON exposures BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER replies_stay BEFORE UPDATE ON replies BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER replies_remain BEFORE DELETE ON replies BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

# The one set of contributors that this store, on a round's committee, agreed to open the sum of.
_VERSION_2 = """
CREATE TABLE agreements (
    sequence INTEGER PRIMARY KEY,
    programme_id TEXT NOT NULL,
    phase INTEGER NOT NULL,
    request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
    set_sha256 BLOB NOT NULL CHECK (length(set_sha256) = 32),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    UNIQUE (programme_id, phase)
) STRICT;
CREATE TRIGGER agreements_stay BEFORE UPDATE ON agreements BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER agreements_remain BEFORE DELETE ON agreements BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

# Spends before such a day may be forgotten: the owner said that the folder was put back, or the ledger lost.
_VERSION_3 = """
CREATE TABLE restorations (
    sequence INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
CREATE TRIGGER restored_stays BEFORE UPDATE ON restorations BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER restored_remains BEFORE DELETE ON restorations BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
