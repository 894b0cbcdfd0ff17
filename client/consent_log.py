"""The consent log: the vault's table of events, read only as a whole that fits its leaves and its anchor.

Every entry is checked against its leaf, and the tree over the leaves against the head that is kept outside
the vault. What was read once in this process is kept folded, and only what came after it is read; the fold
begins anew when somebody was erased, or when what is there is not what was read. A change by other hands to
an entry that was read already shows when the process begins anew.

Writing: events are added inside a transaction of the caller's, who calls `settle` after it. A crash between
the two leaves an anchor that the log goes beyond, which the next reader finds in order.

Emptying: which entries will be empty is announced in the anchor before the transaction is committed, which
empties all of them or none. An entry that is empty without that was emptied by other hands, and the log is
refused: it could be a withdrawal.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from highstreet.audit.commitments import SALT_BYTES
from highstreet.audit.consent import EVERYBODY, ConsentEvent, inconsistent, read_event
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.consent_states import ConsentStates
from highstreet.audit.consent_tree import ConsentTree, consent_root
from highstreet.audit.errors import InconsistentConsentLogError
from highstreet.client.consent_anchor import ConsentAnchor, ConsentHead, rewound
from highstreet.client.consent_intake import check_showable
from highstreet.client.errors import VaultBusyError
from highstreet.client.vault import Vault

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

__all__ = ["ConsentLog", "FoldedLog", "LoggedEvent"]

_CONTENT = (
    'event_id, customer, purpose, channel, act, "at", valid_until, method, source,'
    " notice_version, language, notice_sha256, evidence_sha256"
)
_READ = f"SELECT position, leaf, salt, {_CONTENT} FROM consents"  # noqa: S608 - names from the line above
_ADD = f"INSERT INTO consents (position, leaf, salt, {_CONTENT}) VALUES ({', '.join('?' * 16)})"  # noqa: S608
_ERASE = """
    UPDATE consents SET salt = NULL, event_id = NULL, customer = NULL, purpose = NULL, channel = NULL,
        act = NULL, "at" = NULL, valid_until = NULL, method = NULL, source = NULL, notice_version = NULL,
        language = NULL, notice_sha256 = NULL, evidence_sha256 = NULL
    WHERE customer IN (SELECT value FROM json_each(?))
"""
_EMPTY_AFTERWARDS = """
    SELECT position FROM consents WHERE act IS NULL OR customer IN (SELECT value FROM json_each(?))
    ORDER BY position
"""
_LEAF_BYTES = 32
_KEPT_FOLDS = 4


class LoggedEvent(NamedTuple):
    """An entry of the log as it stands there; event and salt are None when its person was erased."""

    position: int
    leaf: bytes
    salt: bytes | None
    event: ConsentEvent | None


@dataclass(slots=True)
class FoldedLog:
    """The log up to its last entry.

    Attributes:
        states: where everybody stands.
        tree: over the leaves.
        last_leaf: of the last entry.
        erased: how many entries are empty.
        emptied: which ones, as of the head.
        changes: as of the head.
        is_kept: whether the vault says that a head was kept outside.
        anchored: the head outside that was last found in the log.
    """

    states: ConsentStates = field(default_factory=ConsentStates)
    tree: ConsentTree = field(default_factory=ConsentTree)
    last_leaf: bytes = b""
    erased: int = 0
    emptied: Hash = field(default_factory=hashlib.sha256)
    changes: int = 0
    is_kept: bool = False
    anchored: ConsentHead | None = None

    @property
    def head(self) -> ConsentHead:
        """The last entry's position and the root over all."""
        return ConsentHead(self.tree.size, self.tree.root(), self.changes, self.emptied.digest())

    @property
    def is_unsettled(self) -> bool:
        """Whether it went on after the head that is kept outside: a crash came before `ConsentLog.settle`.

        Or none was ever kept: its answers were carried over from a version before there was one.
        """
        return bool(self.tree.size or self.changes) and not (self.is_kept and self.anchored == self.head)


#: What this process read, by the vault's place and name. Only under `_LOCK`.
_FOLDS: OrderedDict[tuple[str, str], FoldedLog] = OrderedDict()
_LOCK = threading.RLock()


class ConsentLog:
    """The consent log of an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._anchor = ConsentAnchor.of_vault(vault.path, vault.vault_id)
        self._key = (str(vault.path.absolute()), vault.vault_id)

    @contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, FoldedLog]]:
        """See one unchanging state of the vault, and the log folded up to it, while the block lasts.

        Raises: as `folded`.
        """
        with self._vault.read() as connection, self.folded(connection) as log:
            yield connection, log

    @contextmanager
    def relied_on(self) -> Iterator[tuple[sqlite3.Connection, FoldedLog]]:
        """Read; keep the head outside when that ends, should a crash have left it behind.

        Whoever writes at this very moment keeps it else.

        Raises: as `reading` and `settle`.
        """
        with self.reading() as (connection, log):
            is_unsettled = log.is_unsettled
            yield connection, log
        if is_unsettled:
            with suppress(VaultBusyError):
                self.settle()

    @contextmanager
    def folded(self, connection: sqlite3.Connection) -> Iterator[FoldedLog]:
        """Fold the log as an open transaction sees it; nobody else folds while the block lasts.

        In a transaction that only reads it comes first: the anchor must not be newer than what is seen.

        Raises:
            InconsistentConsentLogError: an entry is missing, cannot be read or does not fit its leaf.
            ConsentLogRewoundError: the log is not the one whose head was kept.
            VaultBusyError: people are emptied one after the other at this very moment.
        """
        with _LOCK:
            anchored = self._anchor.read()
            log = self._caught_up(connection)
            self._check_anchor(connection, log, anchored)
            yield log

    def entries(self, connection: sqlite3.Connection, customer: int) -> tuple[LoggedEvent, ...]:
        """Return what the log holds of one customer, in its order."""
        rows = connection.execute(f"{_READ} WHERE customer = ? ORDER BY position", (customer,))
        return tuple(_logged(row) for row in rows)

    def entries_after(self, connection: sqlite3.Connection, position: int) -> Iterator[LoggedEvent]:
        """Yield what was added after an entry."""
        for row in connection.execute(f"{_READ} WHERE position > ? ORDER BY position", (position,)):
            yield _logged(row)

    def add(self, connection: sqlite3.Connection, events: Iterable[ConsentEvent]) -> int:
        """Add events behind the last one, in a transaction that holds the write lock; return how many.

        `settle` comes when it is committed.

        Raises:
            InconsistentConsentLogError, ConsentLogRewoundError: as `folded`; nothing is added then.
            AnswerRefusedError: of an event that no receipt could show; the transaction is to be given up.
        """
        with self.folded(connection) as log:
            if not log.is_kept:
                # First the anchor: a vault that says it has one must never be without.
                self._anchor.write(log.head)
            return _insert(connection, log.tree.size, events)

    def empty(self, connection: sqlite3.Connection, customers: Collection[int]) -> int:
        """Empty every entry about customers but for position and leaf; return how many.

        At most once in a transaction that holds the write lock; `settle` comes when it is committed. The root
        over the leaves stays what it was; with the salts gone, the leaves say nothing of anybody. In a log
        that cannot be relied on they are emptied too, and it stays refused.

        Raises:
            FileAccessError: it cannot be announced; nothing was emptied.
        """
        keys = json.dumps(list(customers))
        with suppress(InconsistentConsentLogError), self.folded(connection) as log:
            after = hashlib.sha256()
            for (position,) in connection.execute(_EMPTY_AFTERWARDS, (keys,)):
                after.update(_place(position))
            # Nothing of this transaction but that: it may not come to be committed.
            known = self._anchor.read() or log.head
            emptied = log.emptied.digest()
            self._anchor.write(replace(known, emptied=emptied, to_be_emptied=after.digest()))
            connection.execute("UPDATE consent_anchor SET is_kept = 1")
        return connection.execute(_ERASE, (keys,)).rowcount

    @contextmanager
    def uncounted(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Take people out of the vault without that being a change of those who are set apart.

        People are erased in a log that cannot be relied on too. Counted there, it would stand in for a change
        that was lost with an older copy, and the log would be relied on again.
        """
        (changes,) = connection.execute("SELECT changes FROM consent_anchor").fetchone()
        yield
        connection.execute("UPDATE consent_anchor SET changes = ?", (changes,))

    def settle(self) -> None:
        """Keep the log's head outside the vault, durably; from then on it must be there.

        Under the vault's write lock, so that two processes cannot put it back.

        Raises:
            InconsistentConsentLogError, ConsentLogRewoundError: as `folded`.
            FileAccessError: it cannot be written.
        """
        with self._vault.write() as connection, self.folded(connection) as log:
            if log.anchored != log.head:
                self._anchor.write(log.head)
            if not log.is_kept:
                connection.execute("UPDATE consent_anchor SET is_kept = 1")

    def add_unknown(self, connection: sqlite3.Connection, events: Iterable[ConsentEvent]) -> None:
        """Add events though the log is not the one that was known; for the owner's word alone.

        It stays refused until `settle_unknown` comes, when they are committed: broken off between the two,
        nothing was accepted.

        Raises:
            InconsistentConsentLogError: an entry does not fit its leaf: such a log can never be relied on.
        """
        with _LOCK:
            _FOLDS.pop(self._key, None)
            _insert(connection, self._caught_up(connection).tree.size, events)
            connection.execute("UPDATE consent_anchor SET was_accepted = 1")

    def settle_unknown(self) -> None:
        """Keep the log's head outside the vault, whatever was kept there; after `add_unknown`.

        Raises:
            InconsistentConsentLogError: an entry does not fit its leaf.
            FileAccessError: it cannot be written.
        """
        with self._vault.write() as connection, _LOCK:
            self._anchor.write(self._caught_up(connection).head)

    def _caught_up(self, connection: sqlite3.Connection) -> FoldedLog:
        log = _FOLDS.get(self._key)
        if log is None or not _is_still_there(connection, log):
            log = FoldedLog()
        _FOLDS.pop(self._key, None)
        for row in connection.execute(f"{_READ} WHERE position > ? ORDER BY position", (log.tree.size,)):
            _take(log, _logged(row))
        log.changes, is_kept = connection.execute("SELECT changes, is_kept FROM consent_anchor").fetchone()
        log.is_kept = bool(is_kept)
        _FOLDS[self._key] = log  # only as a whole: what could not be read is not kept
        while len(_FOLDS) > _KEPT_FOLDS:
            _FOLDS.popitem(last=False)
        return log

    def _check_anchor(
        self, connection: sqlite3.Connection, log: FoldedLog, anchored: ConsentHead | None
    ) -> None:
        if anchored is None:
            if log.is_kept:
                raise rewound(f"{self._anchor.path.name} is gone")
            if log.erased:
                raise rewound("entries are empty though nobody was erased")
            log.anchored = None
            return
        if log.changes < anchored.changes:
            raise rewound("people who were emptied or excluded are as they were before")
        self._check_emptied(log, anchored)
        if anchored == log.anchored:
            return
        if anchored.position > log.tree.size:
            raise rewound("it is shorter than it was")
        leaves = connection.execute(
            "SELECT leaf FROM consents WHERE position <= ? ORDER BY position", (anchored.position,)
        )
        is_end = anchored.position == log.tree.size
        root = log.tree.root() if is_end else consent_root(leaf for (leaf,) in leaves)
        if root != anchored.root:
            raise rewound("entries are others than they were")
        log.anchored = anchored

    def _check_emptied(self, log: FoldedLog, anchored: ConsentHead) -> None:
        emptied = log.emptied.digest()
        if emptied in {anchored.emptied, anchored.to_be_emptied}:
            return
        # The anchor was read before the vault: somebody may have been erased between the two.
        now = self._anchor.read()
        if now is None or (now.emptied, now.to_be_emptied) == (anchored.emptied, anchored.to_be_emptied):
            raise rewound("entries are empty though nobody was erased")
        if emptied not in {now.emptied, now.to_be_emptied}:
            raise VaultBusyError(
                "Customers are being erased at this moment.", next_step="Try again in a minute."
            )


def _insert(connection: sqlite3.Connection, position: int, events: Iterable[ConsentEvent]) -> int:
    connection.execute("UPDATE consent_anchor SET is_kept = 1")
    count = 0
    for event in events:
        check_showable(event)
        count += 1
        connection.execute(_ADD, (position + count, *_salted(event)))
    return count


def _is_still_there(connection: sqlite3.Connection, log: FoldedLog) -> bool:
    read = log.tree.size
    erased = connection.execute("SELECT count(*) FROM consents WHERE act IS NULL AND position <= ?", (read,))
    last = connection.execute("SELECT leaf FROM consents WHERE position = ?", (read,)).fetchone()
    return erased.fetchone() == (log.erased,) and (read == 0 or last == (log.last_leaf,))


def _logged(row: tuple[object, ...]) -> LoggedEvent:
    position, leaf, salt, *content = row
    if type(position) is not int:
        raise inconsistent("an entry has no number")
    if type(leaf) is not bytes or len(leaf) != _LEAF_BYTES:
        raise inconsistent(f"entry {position} has no leaf")
    if salt is None and all(value is None for value in content):
        return LoggedEvent(position, leaf, None, None)
    try:
        if type(salt) is not bytes:
            raise ValueError("no salt")
        event = read_event(content)
        fits = consent_leaf(event, salt) == leaf
    except ValueError as error:
        raise inconsistent(f"entry {position} cannot be read") from error
    if not fits:
        raise inconsistent(f"entry {position} was changed")
    return LoggedEvent(position, leaf, salt, event)


def _take(log: FoldedLog, entry: LoggedEvent) -> None:
    if entry.position != log.tree.size + 1:
        raise inconsistent(f"entry {log.tree.size + 1} is missing")
    if entry.event is None:
        log.erased += 1
        log.emptied.update(_place(entry.position))
    else:
        log.states.take(entry.position, entry.event)
    log.tree.add(entry.leaf)
    log.last_leaf = entry.leaf


def _place(position: int) -> bytes:
    return position.to_bytes(8, "big")


def _salted(event: ConsentEvent) -> tuple[object, ...]:
    salt, notice = os.urandom(SALT_BYTES), event.notice
    return (
        consent_leaf(event, salt),
        salt,
        event.event_id,
        None if event.customer == EVERYBODY else event.customer,
        event.purpose.value,
        event.channel.value,
        event.act.value,
        event.at,
        event.valid_until,
        event.method.value,
        event.source,
        None if notice is None else notice.version,
        None if notice is None else notice.language,
        None if notice is None else notice.sha256,
        event.evidence_sha256,
    )
