"""What a store accepted when it joined, as it lies on its disk; signatures are checked on each reading."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import from_document
from highstreet.audit.errors import CharterError
from highstreet.audit.roster import is_member_id
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.contradiction import refuse_contradicted
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.errors import NotJoinedError, StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.files import make_private_folder, read_limited, write_private

__all__ = [
    "JoinPapers",
    "Membership",
    "ca_file",
    "is_address",
    "is_joined",
    "load_charter",
    "load_membership",
    "member_caller",
    "programme_days_file",
    "read_signed",
    "save_membership",
]

_LIMIT_BYTES = 4 << 20
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A store's membership in its one co-op.

    Attributes:
        member_id: this store's name in the co-op.
        coop_id, coop_name: which co-op.
        coordinator_public_key: raw Ed25519 in hex; its hash came with the invitation.
        charter_sha256: in hex, of the charter that was agreed to.
        member_address, superlink_address: host:port.
        joined_at: unix seconds.
    """

    member_id: str
    coop_id: str
    coop_name: str
    coordinator_public_key: str
    charter_sha256: str
    member_address: str
    superlink_address: str
    joined_at: int

    @property
    def coordinator_key(self) -> bytes:
        """Raw Ed25519 public key, 32 bytes."""
        return bytes.fromhex(self.coordinator_public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPapers:
    """The files that come with a membership."""

    ca_pem: bytes
    client_certificate_pem: bytes
    charter: SignedDocument
    roster: SignedDocument


def is_joined(home: StoreHome) -> bool:
    """Say whether joining was completed; its last file is what counts."""
    return _membership_file(home).is_file()


def save_membership(home: StoreHome, membership: Membership, papers: JoinPapers) -> None:
    """Write the papers, then the membership: a crash before the last file leaves it as not joined."""
    make_private_folder(home.coop)
    write_private(ca_file(home), papers.ca_pem)
    write_private(home.coop / "client.pem", papers.client_certificate_pem)
    write_private(home.coop / "charter.json", papers.charter.to_file_bytes())
    write_private(home.coop / "roster.json", papers.roster.to_file_bytes())
    write_private(_membership_file(home), json.dumps(asdict(membership), indent=2).encode())


def load_membership(home: StoreHome) -> Membership:
    """Read the membership.

    Raises:
        NotJoinedError: the store is in no co-op.
        StoreConfigError: the file is damaged.
    """
    if not is_joined(home):
        raise NotJoinedError(
            "This store is in no co-op yet.", next_step="Join one with `highstreet store join`."
        )
    try:
        plain = json.loads(read_limited(_membership_file(home), limit_bytes=_LIMIT_BYTES))
        kept = {field.name: plain[field.name] for field in fields(Membership)}
        membership = Membership(**kept)
        if not is_member_id(membership.member_id):
            raise ValueError("member_id")
        return membership
    except (ValueError, KeyError, TypeError) as error:
        raise StoreConfigError(
            f"{_membership_file(home)} is damaged.", next_step="Restore it from a backup, or join anew."
        ) from error


def load_charter(home: StoreHome) -> Charter:
    """Return the charter this store agreed to, its signature and hash checked again.

    Raises:
        NotJoinedError: the store is in no co-op.
        AuditError: the file is not what was agreed to.
    """
    membership = load_membership(home)
    signed = read_signed(home, "charter.json")
    signed.verify(SignatureKind.CHARTER, membership.coordinator_key)
    if signed.sha256().hex() != membership.charter_sha256:
        raise StoreConfigError(
            "The charter on disk is not the one this store agreed to.", next_step="Restore it from a backup."
        )
    try:
        return from_document(signed.document)
    except CharterError as error:
        raise StoreConfigError(
            "The charter this store agreed to is of another version of Highstreet.",
            next_step="Leave with `highstreet store leave` and join with a new code; customers, their "
            "answers and the record of the budget stay.",
        ) from error


def read_signed(home: StoreHome, name: str) -> SignedDocument:
    """Read a signed document of the co-op; the caller verifies it."""
    return SignedDocument.from_file_bytes(read_limited(home.coop / name, limit_bytes=_LIMIT_BYTES))


def ca_file(home: StoreHome) -> Path:
    """Return the co-op's authority, PEM; also for `flower-supernode --root-certificates`."""
    return home.coop / "ca.pem"


def programme_days_file(home: StoreHome) -> Path:
    """Return where the programmes of this membership are remembered; it goes with the membership."""
    return home.coop / "programme_days.json"


def member_caller(home: StoreHome, *, to_leave: bool = False) -> CoopCaller:
    """Open a channel to the member port, with this store's certificate.

    Args:
        home: the store's folder.
        to_leave: whether calls are made even to a coordinator that contradicted itself.

    Returns:
        The channel; a call on it is refused from the moment on that the coordinator's log was seen to
        contradict itself, until the owner looked (`client.contradiction`).
    """
    membership = load_membership(home)
    certificate = read_limited(home.coop / "client.pem", limit_bytes=_LIMIT_BYTES)
    ca_pem = read_limited(ca_file(home), limit_bytes=_LIMIT_BYTES)
    return CoopCaller(
        membership.member_address,
        ca_pem,
        (load_identity(home).tls_key_pem, certificate),
        allow=None if to_leave else lambda: refuse_contradicted(home),
    )


def is_address(text: str) -> bool:
    """Say whether a text from outside is a plain host:port."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and 0 < int(match[2]) <= 65535


def _membership_file(home: StoreHome) -> Path:
    return home.coop / "membership.json"
