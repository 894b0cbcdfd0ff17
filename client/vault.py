"""The vault: one shop's customers, orders and consents in an SQLite file only its owner can read."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Self

from highstreet.audit.consent import read_event
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.client.database_kind import DatabaseKind, Fault
from highstreet.client.erasure_register import read_register
from highstreet.client.errors import (
    UnknownCustomerError,
    VaultBusyError,
    VaultError,
    VaultFullError,
    VaultRewoundError,
    VaultTooNewError,
    VaultUnreadableError,
)
from highstreet.client.locking import import_lock, is_held
from highstreet.client.private_database import PrivateDatabase

__all__ = ["Vault", "vault_kind"]


@cache
def vault_kind() -> DatabaseKind:
    """Return what a vault is as a database; each numbered script in `client/migrations` is a version."""
    folder = resources.files("highstreet.client").joinpath("migrations")
    scripts = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".sql")}
    return DatabaseKind(
        noun="vault",
        outcome="nothing was changed",
        repair="Put back the last good copy of that file; do not delete it, it may be repairable.",
        application_id=0x48535654,  # "HSVT" in ASCII
        migrations=tuple(scripts[name].read_text(encoding="utf-8") for name in sorted(scripts)),
        functions={"secure_bytes": os.urandom, "consent_leaf_1": _carried_over_leaf},
        identity=lambda: uuid.uuid4().hex,
        has_write_ahead_log=True,
        forgets=True,
        is_checked_whole=False,  # it is opened for every suggestion; what is damaged shows when it is read
        is_shared=False,
        root=VaultError,
        errors={
            Fault.FULL: VaultFullError,
            Fault.BUSY: VaultBusyError,
            Fault.DAMAGED: VaultUnreadableError,
            Fault.FOREIGN: VaultUnreadableError,
            Fault.NEWER: VaultTooNewError,
        },
    )


def _carried_over_leaf(
    salt: bytes, event_id: str, customer: int, purpose: str, act: str, at: int, source: str
) -> bytes:
    """Return the leaf of an answer from before there were channels and notices; an odd one has none."""
    plain = (
        event_id,
        customer,
        purpose,
        "everywhere",
        act,
        at,
        None,
        "import",
        source,
        None,
        None,
        None,
        None,
    )
    try:
        return consent_leaf(read_event(plain), salt)
    except ValueError:
        return bytes(32)  # refused whenever the log is read


class Vault:
    """An open vault. Use as a context manager; one per thread.

    All writing goes through `write`, which commits as a whole or not at all and is durable when it returns.
    """

    def __init__(self, database: PrivateDatabase, vault_id: str) -> None:
        self._database = database
        self.path = database.path
        self.connection = database.connection
        #: Random name of this vault; ties a cohort to the vault it was made from.
        self.vault_id = vault_id

    @classmethod
    def open(cls, path: Path, *, to_erase_again: bool = False) -> Self:
        """Open the vault, making it when there is none, and bring its schema up to date.

        Args:
            path: of the file.
            to_erase_again: a vault that is older than an erasure may be opened, to do it again.

        Raises:
            VaultRewoundError: older than an erasure that was made: somebody who was erased is in it.
            VaultBusyError: somebody is being erased, and still in it.
            VaultTooNewError: written by a newer version.
            VaultUnreadableError: damaged, or not a vault.
            VaultError: no right to read or write it.
        """
        database = PrivateDatabase.open(path, vault_kind())
        try:
            with database.explaining():
                (vault_id,) = database.connection.execute("SELECT vault_id FROM identity").fetchone()
                if not to_erase_again:
                    _refuse_older_than_erasures(path, database.connection)
        except BaseException:
            database.close()
            raise
        return cls(database, vault_id)

    def close(self) -> None:
        """Close the file; open transactions are rolled back."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the vault itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the vault."""
        self.close()

    def rewrite(self) -> None:
        """Write the file anew, so that nothing is left in it of what was deleted: see `PrivateDatabase`."""
        self._database.rewrite()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """See one unchanging state of the vault for as long as the block lasts."""
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Change the vault: everything in the block is saved durably at its end, or nothing is."""
        with self._database.writing() as connection:
            yield connection

    def customer_key(self, customer_id: str) -> int:
        """Return the row key of a customer by the shop's own number or name for them.

        Raises:
            UnknownCustomerError: there is none; the message does not repeat what was typed.
        """
        with self.read() as connection:
            found = connection.execute(
                "SELECT customer FROM customers WHERE customer_id = ?", (customer_id.strip(),)
            ).fetchone()
        if found is None:
            raise UnknownCustomerError(
                "This shop has no customer of that number.",
                next_step="Write it as in the imported files, or import the file that names the customer.",
            )
        return int(found[0])


def _refuse_older_than_erasures(path: Path, connection: sqlite3.Connection) -> None:
    asked = {each.erasure_id for each in read_register(path.parent).erasures}
    if not asked:
        return
    if asked <= _known_erasures(connection):
        return
    is_under_way = is_held(import_lock(path))
    if asked <= _known_erasures(connection):
        return  # it came to the vault between the two looks
    if is_under_way:
        raise VaultBusyError("Customers are being erased at this moment.", next_step="Try again in a minute.")
    raise VaultRewoundError(
        f"{path} is older than an erasure that this shop made: somebody who was erased is in it again.",
        next_step="Nobody's data is used until they are erased again: highstreet store rights again",
    )


def _known_erasures(connection: sqlite3.Connection) -> set[str]:
    return {found for (found,) in connection.execute("SELECT erasure_id FROM rights_requests")}
