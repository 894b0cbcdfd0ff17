"""The consent log's anchor: the newest entry and root that were known, kept outside the vault.

A vault that was put back from an older copy lacks withdrawals, and nothing inside it can tell. So whoever
adds to the log writes its head here afterwards, in a file of its own beside the ledger; a log that does not
hold that head is refused. A copy of the whole folder put back at once is beyond what one machine can notice:
the owner says so (`client.restoration`), and the roots in the shop's signed log tell others.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from highstreet.audit.errors import ConsentLogRewoundError
from highstreet.files import read_limited, write_private

__all__ = ["ConsentAnchor", "ConsentHead", "rewound"]

_LIMIT_BYTES = 4096
_VERSION = 2
_HASH_BYTES = 32
_NOBODY = hashlib.sha256().digest()


@dataclass(frozen=True, slots=True)
class ConsentHead:
    """The consent log up to an entry.

    Attributes:
        position: of its last entry, 0 before the first.
        root: of the tree over its leaves (RFC 9162), 32 bytes.
        changes: how often something changed that does not show in the root: somebody was emptied, excluded,
            taken back in, or got a name in the ledger.
        emptied: which entries are empty: SHA-256 over their positions, ascending, 8 bytes each.
        to_be_emptied: the same as it will be when an emptying is committed that was announced; None without
            one. Until the next `settle` either may be found.
    """

    position: int
    root: bytes
    changes: int
    emptied: bytes = _NOBODY
    to_be_emptied: bytes | None = None


@dataclass(frozen=True, slots=True)
class ConsentAnchor:
    """The file that holds the head of one vault's consent log.

    Attributes:
        path: of the file.
        vault_id: of the vault.
    """

    path: Path
    vault_id: str

    @classmethod
    def of_vault(cls, vault_path: Path, vault_id: str) -> ConsentAnchor:
        """Return the anchor of a vault in a store's folder."""
        return cls(vault_path.with_name("consent.head"), vault_id)

    def read(self) -> ConsentHead | None:
        """Return the head that was last written; None when none ever was.

        Raises:
            ConsentLogRewoundError: it cannot be read, or is that of another vault.
            FileAccessError: the file cannot be opened.
        """
        if not self.path.exists():
            return None
        try:
            plain = json.loads(read_limited(self.path, limit_bytes=_LIMIT_BYTES))
            if plain["version"] != _VERSION or plain["vault_id"] != self.vault_id:
                raise ValueError
            root = bytes.fromhex(plain["root"])
            emptied = _hash(plain["emptied"])
            announced = plain["to_be_emptied"]
            to_be_emptied = None if announced is None else _hash(announced)
            head = ConsentHead(int(plain["position"]), root, int(plain["changes"]), emptied, to_be_emptied)
        except (ValueError, KeyError, TypeError) as error:
            raise rewound(f"{self.path.name} is damaged or belongs to another vault") from error
        return head

    def write(self, head: ConsentHead) -> None:
        """Keep a head durably in the place of the one before. Only under the vault's write lock.

        Raises:
            FileAccessError: it cannot be written.
        """
        plain = {
            "version": _VERSION,
            "vault_id": self.vault_id,
            "position": head.position,
            "root": head.root.hex(),
            "changes": head.changes,
            "emptied": head.emptied.hex(),
            "to_be_emptied": None if head.to_be_emptied is None else head.to_be_emptied.hex(),
        }
        write_private(self.path, json.dumps(plain).encode())


def _hash(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != _HASH_BYTES:
        raise ValueError
    return value


def rewound(fact: str) -> ConsentLogRewoundError:
    """Return the error that says why the log is not the one that was known."""
    return ConsentLogRewoundError(
        f"The consent log is not the one this shop has known: {fact}. Withdrawals may be lost, so nobody's "
        "data is used for anything.",
        next_step="Put the newest copy of the shop's folder back. If there is none, say `highstreet store "
        "consent accept-restored`: everybody's yes then counts no longer until they are asked again.",
    )
