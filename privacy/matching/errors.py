"""Errors of the matching; refusals of what arrives from outside are codes of a closed list."""

from __future__ import annotations

from enum import IntEnum

from highstreet.privacy.errors import PrivacyError

__all__ = [
    "InvalidIdentifierError",
    "InvalidMatchingError",
    "InvalidTableError",
    "MatchingError",
    "MatchingRefusal",
    "MatchingRefusedError",
    "ReceiptsMissingError",
]


class MatchingRefusal(IntEnum):
    """Why something that arrived is refused."""

    UNREADABLE = 1
    VERSION = 2
    OTHER_COOP = 3
    OTHER_MATCHING = 4
    OTHER_REQUEST = 5
    UNKNOWN_MEMBER = 6
    NOT_A_HOLDER = 7
    SIGNATURE = 8
    ELEMENT = 9
    COUNT = 10
    SCALAR = 11
    PROOF = 12
    OTHER_KEYS = 13
    OTHER_LIST = 14
    NOT_ADDRESSED = 15
    SECOND_LIST = 16
    REPEATED_HOLDER = 17
    MISSING_HOLDER = 18


_FACTS = {
    MatchingRefusal.UNREADABLE: "a message cannot be read or is over a limit",
    MatchingRefusal.VERSION: "a message has a format version that is not spoken here",
    MatchingRefusal.OTHER_COOP: "a message is for another co-op",
    MatchingRefusal.OTHER_MATCHING: "a message belongs to another matching",
    MatchingRefusal.OTHER_REQUEST: "a message belongs to another request",
    MatchingRefusal.UNKNOWN_MEMBER: "a list comes from nobody who is a counted member of the roster",
    MatchingRefusal.NOT_A_HOLDER: "a key or an answer comes from a member who holds no key",
    MatchingRefusal.SIGNATURE: "a message is not signed by who it says it is from",
    MatchingRefusal.ELEMENT: "a group element is the identity or not in its one encoding",
    MatchingRefusal.COUNT: "a list has another number of elements than all lists have",
    MatchingRefusal.SCALAR: "a scalar is not in its one encoding",
    MatchingRefusal.PROOF: "a holder's proof does not show that it used its key",
    MatchingRefusal.OTHER_KEYS: "a list was made under other holders' keys",
    MatchingRefusal.OTHER_LIST: "an answer is for another list than the one sent",
    MatchingRefusal.NOT_ADDRESSED: "an answer is meant for another member",
    MatchingRefusal.SECOND_LIST: "the member asks a second time in one matching, with another list",
    MatchingRefusal.REPEATED_HOLDER: "a holder offers two keys or gives two answers",
    MatchingRefusal.MISSING_HOLDER: "a holder's key or answer is missing",
}


class MatchingError(PrivacyError):
    """Root of the errors of the matching."""


class MatchingRefusedError(MatchingError):
    """Something that arrived is refused; nothing was computed from it and nothing may be sent for it.

    Attributes:
        code: the reason, the only part of it that may travel.
    """

    def __init__(self, code: MatchingRefusal) -> None:
        super().__init__(f"Refused in the matching: {_FACTS[code]}.")
        self.code = code


class InvalidMatchingError(MatchingError):
    """A matching, a holder or a store's state is described by values that cannot be its own."""


class InvalidIdentifierError(MatchingError):
    """A customer's identifier cannot be matched: empty, too long, or with characters nobody types."""


class InvalidTableError(MatchingError):
    """A table has another size, type or number of contributors than the matching's can have."""


class ReceiptsMissingError(MatchingError):
    """The store's own entries are not in the summed table as it made them; nothing of it may be used."""

    def __init__(self) -> None:
        super().__init__(
            "The table this store was shown does not hold what the store put into it: it was left out, or "
            "the table was altered. All its customers have weight 0 under this matching.",
            next_step="Wait for the next matching; tell the other members if it happens again.",
        )
