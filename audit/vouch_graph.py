"""The graph of vouches, as one mask of bits a member: who counts for whom, for a thousand members at once.

Whom one member counts takes a pass over the members that count, each with c + 1 operations on masks of n
bits: O(c n) of them, against O(n^2) steps when every vouch is followed by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

__all__ = ["Edge", "VouchGraph", "vouch_graph"]

#: A valid vouch as who gave it and for whom.
Edge = tuple[str, str]


class VouchGraph:
    """Vouches between members, made once for all questions about them. Immutable after it was made.

    Args:
        edges: (voucher, subject); what a member says of itself is left out.
    """

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._number: dict[str, int] = {}
        self._subjects: dict[str, int] = {}
        for voucher, subject in edges:
            if voucher != subject:
                at = self._number.setdefault(subject, len(self._number))
                self._subjects[voucher] = self._subjects.get(voucher, 0) | 1 << at
        self._ids = tuple(self._number)

    def counted(self, listed: Collection[str], *, me: str, colluders: int) -> frozenset[str]:
        """Return whom one member counts among those listed; see `audit.roster.trusted_members`."""
        if me not in listed:
            return frozenset()
        allowed = self._mask(listed)
        # reached[k]: who more than k of the members that count vouch for.
        reached = [0] * (colluders + 1)
        counted, waiting = 0, [me]
        while waiting:
            member = waiting.pop()
            vouched = self._subjects.get(member, 0) & allowed
            for k in range(colluders, 0, -1):
                reached[k] |= reached[k - 1] & vouched
            reached[0] |= vouched
            fresh = (reached[colluders] | (vouched if member == me else 0)) & ~counted
            counted |= fresh
            if counted == allowed:
                break
            waiting.extend(each for each in self._members(fresh) if each != me)
        return frozenset((me, *self._members(counted)))

    def _mask(self, ids: Iterable[str]) -> int:
        bits = bytearray(len(self._ids) // 8 + 1)
        for each in ids:
            at = self._number.get(each)
            if at is not None:
                bits[at >> 3] |= 1 << (at & 7)
        return int.from_bytes(bits, "little")

    def _members(self, mask: int) -> Iterable[str]:
        while mask:
            lowest = mask & -mask
            yield self._ids[lowest.bit_length() - 1]
            mask ^= lowest


@lru_cache(maxsize=4)
def vouch_graph(edges: frozenset[Edge]) -> VouchGraph:
    """Return the graph of these vouches; whoever asks for one member after another gets the same one."""
    return VouchGraph(edges)
