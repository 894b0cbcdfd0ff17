"""IAB Transparency and Consent Framework, version 2: what a TC string says of this shop itself.

The core of a TC string is about vendors of IAB's list, other companies. What the person answered to the
owner of the page, the shop, is in the publisher segment ("Publisher purposes transparency and consent"), so
only that grants. A no is a no wherever it stands.

`iab-tcf` decodes; it reads missing bits as 1 (`bitarray().all()`), skips letters that are not base64, and
can be made to work for minutes. So a string is first walked here bit by bit, in time proportional to its
length, and only what is whole reaches the library, without the lists of vendors (docs/pitfalls.md).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iab_tcf import decode_v2

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent_signals.moments import Span
from highstreet.client.consent_signals.reading import Origin, Reading, Remark, no, origin_of, yes

__all__ = ["MAX_CHARACTERS", "TcString", "read_tc_string", "understand_tc_string"]

SOURCE = "iab-tcf-v2"
#: Several times what the longest real strings have.
MAX_CHARACTERS = 4096
_MAX_SEGMENTS = 4
_LETTERS = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
#: TCF Policies: publishers remind people of their choice at least every 13 months.
_VALID = timedelta(days=395)
_PUBLISHER_TC = 3
_CORE_HEADER_BITS = 213
_PUBLISHER_HEADER_BITS = 57
_PURPOSES = range(1, 25)

_STORE, _PROFILE, _USE_PROFILE, _IMPROVE = 1, 5, 6, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TcString:
    """What of a TC string matters here.

    Attributes:
        updated: day of the answer, 00:00 UTC.
        vendor_purposes: purposes the person agreed to for vendors of the list.
        own_purposes: those for the owner of the page; None when nothing is said of it.
    """

    updated: datetime
    vendor_purposes: frozenset[int]
    own_purposes: frozenset[int] | None


def understand_tc_string(text: str) -> TcString | None:
    """Decode a TC string of version 2; None for whatever else it is. Never raises, never works long."""
    text = text.strip()
    segments = text.split(".")
    if len(text) > MAX_CHARACTERS or len(segments) > _MAX_SEGMENTS:
        return None
    decoded = [_decode(segment) for segment in segments]
    core, others = decoded[0], [bits for bits in decoded[1:] if bits is not None]
    if core is None or len(others) != len(decoded) - 1 or not _is_whole_core(core):
        return None
    own: frozenset[int] | None = None
    library = decode_v2(segments[0])
    for segment, bits in zip(segments[1:], others, strict=True):
        if bits.peek(3) != _PUBLISHER_TC:
            continue
        if not _is_whole_publisher_segment(bits):
            return None
        said = decode_v2(f"{segments[0]}.{segment}").publisher_tc.purposes_consent
        agreed = frozenset(purpose for purpose in _PURPOSES if said[purpose])
        own = agreed if own is None else own & agreed
    return TcString(
        updated=library.last_updated.replace(tzinfo=UTC),
        vendor_purposes=frozenset(p for p in _PURPOSES if library.is_purpose_allowed(p)),
        own_purposes=own,
    )


def read_tc_string(text: str, *, customer_id: str, now: int) -> Reading:
    """Say what a TC string of a logged-in customer means for suggestions and this shop's model, on the web.

    Args:
        text: the string, as in the cookie `euconsent-v2`.
        customer_id: who was logged in.
        now: microseconds since 1970-01-01 UTC.
    """
    origin = origin_of(
        customer_id, SOURCE, {"tc_string": text[: MAX_CHARACTERS + 1]}, method=Method.SIGNAL, now=now
    )
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    found = understand_tc_string(text)
    if found is None:
        return Reading(remarks=(Remark.UNREADABLE,))
    asked = (
        (Purpose.SUGGESTIONS_HERE, frozenset({_STORE, _PROFILE, _USE_PROFILE}), {_PROFILE, _USE_PROFILE}),
        (Purpose.SHOP_MODEL, frozenset({_STORE, _PROFILE, _IMPROVE}), {_PROFILE}),
    )
    reading = Reading()
    for purpose, needed, refusable in asked:
        reading += _answer(origin, purpose, found, needed, refusable)
    return reading


def _answer(
    origin: Origin, purpose: Purpose, found: TcString, needed: frozenset[int], refusable: set[int]
) -> Reading:
    at = Span(_microseconds(found.updated), _microseconds(found.updated + _DAY))
    own = found.own_purposes
    if not refusable <= found.vendor_purposes or (own is not None and not refusable <= own):
        return no(origin, purpose, Channel.WEB, at, act=Act.REFUSED)
    if own is None:
        return Reading(remarks=(Remark.OTHERS_ONLY,))
    if not needed <= own:
        return Reading(remarks=(Remark.UNKNOWN_VALUE,))
    if at.latest < origin.now - _VALID // timedelta(microseconds=1):
        return Reading(remarks=(Remark.OLD_YES,))
    return yes(origin, purpose, Channel.WEB, at)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


class _Bits:
    """Bits of one segment, read from the front; reading past the end raises `_CutShortError`."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = self.size = 8 * len(data)

    def peek(self, count: int) -> int:
        if count > self._left:
            raise _CutShortError
        return (self._value >> (self._left - count)) & ((1 << count) - 1)

    def take(self, count: int) -> int:
        value = self.peek(count)
        self._left -= count
        return value

    def skip(self, count: int) -> None:
        if count > self._left:
            raise _CutShortError
        self._left -= count


class _CutShortError(Exception):
    """A segment ends before what it announces."""


def _decode(segment: str) -> _Bits | None:
    if _LETTERS.fullmatch(segment) is None or len(segment) % 4 == 1:
        return None
    try:
        data = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return _Bits(data)


def _is_whole_core(bits: _Bits) -> bool:
    """Whether every list has as many entries as it announces. Each step takes at least one bit."""
    try:
        if bits.take(6) != 2:
            return False
        bits.skip(_CORE_HEADER_BITS - 6)
        for _ in ("consent", "legitimate interest"):
            highest = bits.take(16)
            if bits.take(1):
                _skip_ranges(bits)
            else:
                bits.skip(highest)
        for _ in range(bits.take(12)):
            bits.skip(6 + 2)
            _skip_ranges(bits)
    except _CutShortError:
        return False
    return True


def _skip_ranges(bits: _Bits) -> None:
    for _ in range(bits.take(12)):
        bits.skip(32 if bits.take(1) else 16)


def _is_whole_publisher_segment(bits: _Bits) -> bool:
    try:
        bits.skip(_PUBLISHER_HEADER_BITS - 6)
        bits.skip(2 * bits.take(6))
    except _CutShortError:
        return False
    return True
