"""What opens the log's entries about erasures: for each round, which certificates were new since the last.

The coordinator sees when this store's log grows. So no erasure writes an entry: each round does, whether or
not somebody was erased, with a salted commitment to the hashes of the certificates made since the round
before, none as well as many. Salts and hashes stay here; shown to somebody with the entry, they prove that a
certificate was made before that round.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.append_only import cut, extend
from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.commitments import SALT_BYTES, commit
from highstreet.audit.errors import UnreadableDocumentError
from highstreet.audit.log_files import read_lines
from highstreet.client.errors import ErasureOpeningsError
from highstreet.client.home import StoreHome
from highstreet.files import read_limited

__all__ = ["ErasureOpening", "ErasureOpenings", "certificate_sha256"]

_DOMAIN = "highstreet/erasures/v1"
_LINE_LIMIT_BYTES = 64 << 20
_CERTIFICATE_LIMIT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOpening:
    """What one entry about erasures commits to.

    Attributes:
        occasion: what it was written for, such as a round; names the entry.
        salt: 32 bytes.
        certificates: hashes of the certificates that were new, in hex, ascending.
    """

    occasion: str
    salt: bytes = field(repr=False)
    certificates: tuple[str, ...]

    def commitment(self) -> bytes:
        """Return what the entry says: a commitment to the hashes, as canonical JSON."""
        return commit(self.salt, canonical_json({"certificates": list(self.certificates)}), domain=_DOMAIN)

    def to_line(self) -> bytes:
        """Return the line in which it is kept."""
        plain = {
            "occasion": self.occasion,
            "salt": self.salt.hex(),
            "certificates": list(self.certificates),
        }
        return canonical_json(plain) + b"\n"


class ErasureOpenings:
    """The openings of one membership's log, in one file that only grows; one process writes it.

    Args:
        home: the store's folder.
    """

    def __init__(self, home: StoreHome) -> None:
        self._path = home.erasure_openings
        self._certificates = home.rights / "certificates"

    def for_occasion(self, occasion: str) -> ErasureOpening:
        """Return what opens the entry of an occasion, kept durably before; the same one when asked again.

        Raises:
            ErasureOpeningsError: the file cannot be read as what was written.
            FileAccessError: it cannot be read or written; the entry must not be written then.
        """
        known = self.all()
        for opening in known:
            if opening.occasion == occasion:
                return opening
        before = {each for opening in known for each in opening.certificates}
        there = {
            certificate_sha256(read_limited(path, limit_bytes=_CERTIFICATE_LIMIT_BYTES))
            for path in self._certificates.glob("*.json")
        }
        made = ErasureOpening(
            occasion=occasion,
            salt=secrets.token_bytes(SALT_BYTES),
            certificates=tuple(sorted(there - before)),
        )
        extend(self._path, made.to_line(), at=self._path.stat().st_size if self._path.exists() else 0)
        return made

    def all(self) -> list[ErasureOpening]:
        """Return all of them, in the order they were made; what a crash left of a last one is cut off.

        Raises: as `for_occasion`.
        """
        kept = read_lines(self._path)
        if kept.torn_bytes:
            cut(self._path, self._path.stat().st_size - kept.torn_bytes)
        try:
            return [_read(line) for line in kept.lines]
        except (UnreadableDocumentError, ValidationError) as error:
            raise ErasureOpeningsError(
                f"{self._path} is damaged: what the log says of erasures cannot be opened.",
                next_step="Put it back from a backup. Without one move it away: what was logged stays "
                "closed, and all certificates are logged again with the next round.",
            ) from error


def certificate_sha256(file: bytes) -> str:
    """Return the hash by which the log knows a certificate: of its file, as it was signed, in hex."""
    return hashlib.sha256(file).hexdigest()


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    occasion: str = Field(pattern=r"^[a-z0-9/-]{1,160}$")
    salt: str = Field(pattern=r"^[0-9a-f]{64}$")
    certificates: list[str]


def _read(line: bytes) -> ErasureOpening:
    plain = _Line.model_validate(read_canonical(line, limit_bytes=_LINE_LIMIT_BYTES))
    return ErasureOpening(
        occasion=plain.occasion, salt=bytes.fromhex(plain.salt), certificates=tuple(plain.certificates)
    )
