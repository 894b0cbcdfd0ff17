"""Two members compare keys by a short code read over the phone, though the coordinator carries every message.

The exchange is message cross-authentication by short authenticated strings (Vaudenay, "Secure communications
over insecure channels based on short authenticated strings", CRYPTO 2005, section 4), its commitment and its
code made with SHA-256 as random oracle:

    initiator -> responder   commitment = SHA-256(both entries as the initiator knows them, r_I)
    responder -> initiator   r_R
    initiator -> responder   r_I          the responder opens the commitment with the entries it knows itself
    both                     codes = SHA-256(both entries, r_I, r_R)

Each takes its own entry from its own keys and the other's from its roster, so the codes agree only if both
rosters name the true keys. Whoever stands between has to fix its own nonce towards each side before it sees
that side's, so two different transcripts give equal codes with chance 10^-6 for each pair of exchanges (about
2^-20). Exchanges are therefore counted where they are kept, also those nobody looked at.

Departure from the paper: the digest gives two codes. The initiator's owner reads the first, the responder's
owner types it; only then the responder's store shows the second, which the initiator's owner types. Nobody
can confirm without having listened, in either direction, in one call (after the fatal errors of
"compare and confirm" in Uzun, Karvonen and Asokan, USEC 2007).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import CodeFormError, VouchingError
from highstreet.audit.roster import Member

__all__ = ["NONCE_BYTES", "Exchange", "Role", "answer", "offer", "read_code", "spoken"]

NONCE_BYTES = 32
_CODES = 10**6
_FORMAT_VERSION = 1


class Role(StrEnum):
    """Which side of an exchange a member is on."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exchange:
    """One side's state of one exchange; immutable, each step gives the next.

    Attributes:
        coop_id: in which co-op.
        initiator, responder: both entries as this side knows them.
        role: which of the two this side is.
        commitment: 32 bytes; names the exchange.
        own_nonce: 32 random bytes, used in this exchange only.
        other_nonce: the other side's, None until it came. From then on the codes are fixed.
        begun_at: unix seconds.
    """

    coop_id: str
    initiator: Member
    responder: Member
    role: Role
    commitment: bytes
    own_nonce: bytes
    other_nonce: bytes | None = None
    begun_at: int

    @property
    def other(self) -> Member:
        """The member this side would vouch for."""
        return self.responder if self.role is Role.INITIATOR else self.initiator

    @property
    def is_complete(self) -> bool:
        """Whether both nonces are here, so that there are codes."""
        return self.other_nonce is not None

    def take_answer(self, nonce: bytes) -> Exchange:
        """Take the responder's nonce, once; only after that may the own one be shown.

        Raises:
            VouchingError: not an initiator waiting for an answer, or not a nonce.
        """
        if self.role is not Role.INITIATOR or self.is_complete:
            raise VouchingError("This exchange waits for no answer.")
        return replace(self, other_nonce=_nonce(nonce))

    def take_opening(self, nonce: bytes) -> Exchange:
        """Take the initiator's nonce, once; it must open the commitment over the entries known here.

        Raises:
            VouchingError: not a responder waiting for it, or it opens something else.
        """
        if self.role is not Role.RESPONDER or self.is_complete:
            raise VouchingError("This exchange waits for no opening.")
        opened = _commitment(self.coop_id, self.initiator, self.responder, _nonce(nonce))
        if not hmac.compare_digest(opened, self.commitment):
            raise VouchingError(
                f"{self.initiator.name} has begun with other keys than those that the coordinator names for "
                "them here, or for this store there."
            )
        return replace(self, other_nonce=nonce)

    @property
    def shown_code(self) -> str:
        """The six digits this side's owner reads out; a responder's only after the other's code was typed."""
        return self._code(self.role)

    def accepts(self, typed: str) -> bool:
        """Say whether these six digits are the ones the other side's owner reads out."""
        expected = self._code(Role.RESPONDER if self.role is Role.INITIATOR else Role.INITIATOR)
        return hmac.compare_digest(typed.encode(), expected.encode())

    def _code(self, reader: Role) -> str:
        if self.other_nonce is None:
            raise VouchingError("There is no code before both sides have answered.")
        nonces = {self.role: self.own_nonce}
        nonces[Role.RESPONDER if self.role is Role.INITIATOR else Role.INITIATOR] = self.other_nonce
        parts = [nonces[Role.INITIATOR], nonces[Role.RESPONDER]]
        digest = _digest("vouch-code", self.coop_id, self.initiator, self.responder, *parts)
        half = digest[:16] if reader is Role.INITIATOR else digest[16:]
        return f"{int.from_bytes(half, 'big') % _CODES:06d}"


def offer(coop_id: str, me: Member, other: Member, *, entropy: Callable[[int], bytes], now: int) -> Exchange:
    """Begin an exchange as its initiator.

    Args:
        coop_id: in which co-op.
        me: the own entry, with the keys this store holds itself.
        other: the other's, as the roster has it.
        entropy: the operating system's generator; a test's own.
        now: unix seconds.
    """
    own = _nonce(entropy(NONCE_BYTES))
    return Exchange(
        coop_id=coop_id,
        initiator=me,
        responder=other,
        role=Role.INITIATOR,
        commitment=_commitment(coop_id, me, other, own),
        own_nonce=own,
        begun_at=now,
    )


def answer(
    coop_id: str,
    me: Member,
    other: Member,
    commitment: bytes,
    *,
    entropy: Callable[[int], bytes],
    now: int,
) -> Exchange:
    """Answer another's commitment with a fresh nonce, as the responder; arguments as for `offer`.

    Raises:
        VouchingError: not 32 bytes.
    """
    if len(commitment) != hashlib.sha256().digest_size:
        raise VouchingError("A commitment has 32 bytes.")
    return Exchange(
        coop_id=coop_id,
        initiator=other,
        responder=me,
        role=Role.RESPONDER,
        commitment=commitment,
        own_nonce=_nonce(entropy(NONCE_BYTES)),
        begun_at=now,
    )


def read_code(text: str) -> str:
    """Return the six digits of a code as people write it, with spaces or hyphens or none.

    Raises:
        CodeFormError: not six digits; nothing was tried with it.
    """
    digits = re.sub(r"[\s\-‐‑‒–—.]", "", text[:100])
    if not re.fullmatch(r"[0-9]{6}", digits):
        raise CodeFormError("A code has six digits, such as 123-456.", next_step="Ask for it once more.")
    return digits


def spoken(code: str) -> str:
    """Write a code as it is read out, in two groups of three."""
    return f"{code[:3]}-{code[3:]}"


def _commitment(coop_id: str, initiator: Member, responder: Member, nonce: bytes) -> bytes:
    return _digest("vouch-commitment", coop_id, initiator, responder, nonce)


def _digest(domain: str, coop_id: str, initiator: Member, responder: Member, *nonces: bytes) -> bytes:
    transcript = {
        "format_version": _FORMAT_VERSION,
        "coop_id": coop_id,
        "initiator": initiator.to_dict(),
        "responder": responder.to_dict(),
        "nonces": [nonce.hex() for nonce in nonces],
    }
    return hashlib.sha256(f"highstreet/v1/{domain}".encode() + b"\x00" + canonical_json(transcript)).digest()


def _nonce(data: bytes) -> bytes:
    if len(data) != NONCE_BYTES:
        raise VouchingError(f"A nonce has {NONCE_BYTES} bytes.")
    return data
