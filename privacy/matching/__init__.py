"""Private matching: a store learns at how many shops its own customers shop, and not where. Pure.

See docs/matching.md.
"""

from highstreet.privacy.matching.blinded_list import CheckedList, read_list
from highstreet.privacy.matching.context import MatchingContext
from highstreet.privacy.matching.errors import (
    MatchingRefusal,
    MatchingRefusedError,
    ReceiptsMissingError,
)
from highstreet.privacy.matching.evaluations import read_evaluations
from highstreet.privacy.matching.holder import AnsweredList, KeyHolder, PreparedEvaluations
from highstreet.privacy.matching.holder_keys import HolderKeys, read_holder_key
from highstreet.privacy.matching.identifiers import IdentifierKind, identifier_input
from highstreet.privacy.matching.matched import Counts, MatchedStore
from highstreet.privacy.matching.shape import TableShape
from highstreet.privacy.matching.store import MatchingStore

__all__ = [
    "AnsweredList",
    "CheckedList",
    "Counts",
    "HolderKeys",
    "IdentifierKind",
    "KeyHolder",
    "MatchedStore",
    "MatchingContext",
    "MatchingRefusal",
    "MatchingRefusedError",
    "MatchingStore",
    "PreparedEvaluations",
    "ReceiptsMissingError",
    "TableShape",
    "identifier_input",
    "read_evaluations",
    "read_holder_key",
    "read_list",
]
