"""The file of private matchings: its tables, opened only if it is whole."""

from __future__ import annotations

from pathlib import Path

from highstreet.client.database_kind import DatabaseKind
from highstreet.client.errors import MatchingStateError
from highstreet.client.private_database import PrivateDatabase

__all__ = ["MATCHING_KIND", "open_matching_file"]

# Rows of `matchings` stay for good; all else is secret or personal and goes when a matching is over.
_VERSION_1 = """
CREATE TABLE matchings (
    request_sha256 BLOB PRIMARY KEY CHECK (length(request_sha256) = 32),
    context_sha256 BLOB NOT NULL CHECK (length(context_sha256) = 32),
    coop_id TEXT NOT NULL,
    matching_id TEXT NOT NULL,
    vault_id TEXT NOT NULL,
    begun_on_day INTEGER NOT NULL,
    table_request_sha256 BLOB CHECK (length(table_request_sha256) = 32),
    is_destroyed INTEGER NOT NULL DEFAULT 0 CHECK (is_destroyed IN (0, 1)),
    UNIQUE (coop_id, matching_id)
) STRICT;
CREATE TABLE holders (
    request_sha256 BLOB PRIMARY KEY REFERENCES matchings (request_sha256),
    secret_key BLOB NOT NULL,
    keys_sha256 BLOB CHECK (length(keys_sha256) = 32)
) STRICT;
CREATE TABLE answers (
    request_sha256 BLOB NOT NULL REFERENCES holders (request_sha256),
    member_id TEXT NOT NULL,
    list_sha256 BLOB NOT NULL CHECK (length(list_sha256) = 32),
    PRIMARY KEY (request_sha256, member_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE stores (
    request_sha256 BLOB PRIMARY KEY REFERENCES matchings (request_sha256),
    seed BLOB NOT NULL,
    dummies INTEGER NOT NULL,
    mask_seed BLOB,
    made_up_seed BLOB,
    CHECK ((mask_seed IS NULL) = (made_up_seed IS NULL))
) STRICT;
-- A customer who withdraws keeps the place in the list, which is sent as it was; only the tag goes.
CREATE TABLE customers (
    request_sha256 BLOB NOT NULL REFERENCES stores (request_sha256),
    place INTEGER NOT NULL,
    customer TEXT NOT NULL,
    input BLOB NOT NULL,
    tag BLOB,
    is_left_out INTEGER NOT NULL DEFAULT 0 CHECK (is_left_out = 0 OR tag IS NULL),
    PRIMARY KEY (request_sha256, place),
    UNIQUE (request_sha256, customer)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER matchings_remain BEFORE DELETE ON matchings BEGIN SELECT RAISE(ABORT, 'they stay'); END;
CREATE TRIGGER matchings_stay_over BEFORE UPDATE ON matchings
    WHEN old.is_destroyed = 1 OR new.request_sha256 <> old.request_sha256
        OR (old.table_request_sha256 IS NOT NULL AND new.table_request_sha256 IS NOT old.table_request_sha256)
BEGIN SELECT RAISE(ABORT, 'they stay'); END;
"""
# What a list was drawn from; before this was kept, every withdrawal in the log takes the count.
_VERSION_2 = "ALTER TABLE stores ADD COLUMN consent_position INTEGER NOT NULL DEFAULT 0;"
# What was drawn for one customer can be overwritten alone. A list under way does not outlast the update.
_VERSION_3 = """
DROP TABLE customers;
DROP TABLE stores;
CREATE TABLE stores (
    request_sha256 BLOB PRIMARY KEY REFERENCES matchings (request_sha256),
    elements BLOB NOT NULL,
    label_blinding BLOB NOT NULL,
    made_up_seed BLOB NOT NULL,
    dummies INTEGER NOT NULL,
    consent_position INTEGER NOT NULL,
    mask_seed BLOB
) STRICT;
CREATE TABLE customers (
    request_sha256 BLOB NOT NULL REFERENCES stores (request_sha256),
    place INTEGER NOT NULL,
    customer TEXT NOT NULL,
    input BLOB NOT NULL,
    blinding BLOB NOT NULL,
    tag BLOB,
    is_left_out INTEGER NOT NULL DEFAULT 0 CHECK (is_left_out = 0 OR tag IS NULL),
    PRIMARY KEY (request_sha256, place),
    UNIQUE (request_sha256, customer)
) STRICT, WITHOUT ROWID;
"""
MATCHING_KIND = DatabaseKind(
    noun="file of matchings",
    outcome="nothing was sent",
    repair="Remove it, and take part in no matching until the charter's period has passed: what this store "
    "answered is not known any more.",
    application_id=0x48534D54,  # "HSMT" in ASCII
    migrations=(_VERSION_1, _VERSION_2, _VERSION_3),
    has_write_ahead_log=False,  # it would keep copies of secrets
    forgets=True,
    is_checked_whole=True,
    is_shared=True,
    root=MatchingStateError,
    errors={},
)


def open_matching_file(path: Path) -> PrivateDatabase:
    """Open the file after checking it as a whole; make it if there is none.

    Raises:
        MatchingStateError: damaged, another program's, of a newer version, locked or not writable.
    """
    return PrivateDatabase.open(path, MATCHING_KIND)
