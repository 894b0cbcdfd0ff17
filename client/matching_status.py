"""How a shop's matching stands, in totals for its owner: who agreed, who is counted, at how many shops."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from highstreet.audit.charter import MatchingTerms
from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.matching_inputs import MATCHING_PURPOSES, matching_inputs, present_inputs
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import KeptCounts, PersonCounts
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind

__all__ = ["MatchingStatus", "matching_status"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingStatus:
    """Totals of this shop's own customers; they stay on its computer.

    Attributes:
        agreed: customers who said yes to co-op learning and to matching.
        nameless: of these, who have no identifier of the charter's kind.
        at_most: so many customers of a shop take part in a matching.
        identifier_kind: of the charter.
        is_under_way: whether a matching has begun here and is not over.
        matched_on: day of the latest matching whose sum was read, ISO; empty before the first.
        is_usable: whether anybody can be counted by it: its sum held this shop's table.
        by_shops: number of shops of the co-op, and how many of the shop's customers shop at so many.
        unknown: customers who agreed and have an identifier, and no count: they met others by chance, shared
            an identifier with another customer, were more than may take part, or came later.
    """

    agreed: int
    nameless: int
    at_most: int
    identifier_kind: str
    is_under_way: bool
    matched_on: str
    is_usable: bool
    by_shops: dict[int, int]
    unknown: int

    @property
    def counted(self) -> int:
        """Customers with a count."""
        return sum(self.by_shops.values())

    def lines(self) -> list[str]:
        """Say it in sentences."""
        kind = "e-mail address" if self.identifier_kind == IdentifierKind.EMAIL.value else "loyalty number"
        said = [f"Matching: {self.agreed:,} customers said yes to it and to co-op learning."]
        if self.nameless:
            said.append(f"  {self.nameless:,} of them have no {kind} here and cannot be counted.")
        if self.agreed - self.nameless > self.at_most:
            said.append(
                f"  By the charter at most {self.at_most:,} take part, drawn by lot; a promise that rests on "
                "counts needs that no more agree. Tell the coordinator."
            )
        if self.is_under_way:
            said.append("  A matching is under way.")
        if not self.matched_on:
            said.append("  No matching has told anything yet.")
        elif not self.is_usable:
            said.append(
                f"  The sum of the matching of {self.matched_on} was not to be used here: nobody is counted. "
                "Tell the coordinator."
            )
        else:
            said.append(f"  By the matching of {self.matched_on}: {self._by_shops_in_words()}.")
            if self.unknown:
                said.append(f"  {self.unknown:,} who agreed are not counted; the next matching tries again.")
        return said

    def _by_shops_in_words(self) -> str:
        parts = [
            f"{customers:,} shop here alone" if shops == 1 else f"{customers:,} at {shops} shops of the co-op"
            for shops, customers in sorted(self.by_shops.items())
        ]
        return ", ".join(parts) or "nobody is counted"


def matching_status(home: StoreHome, terms: MatchingTerms, vault: Vault) -> MatchingStatus:
    """Look at it; change nothing.

    Args:
        home: the store's folder.
        terms: of its charter.
        vault: its customers' data.

    Raises:
        MatchingStateError: the file of matchings cannot be read.
        PersonCountsError: the counts are damaged.
    """
    cohort = ConsentDesk(vault).cohort(*MATCHING_PURPOSES)
    kind = IdentifierKind(terms.identifier_kind)
    named = matching_inputs(vault, cohort, kind).by_customer.keys()
    kept = PersonCounts(home.person_counts, vault_id=vault.vault_id).latest()
    shops = {} if kept is None else kept.held_by(present_inputs(vault, cohort))
    is_under_way, matched_on = _course(home, kept, vault)
    return MatchingStatus(
        agreed=len(cohort),
        nameless=len(cohort) - len(named),
        at_most=terms.identifiers_per_store,
        identifier_kind=kind.value,
        is_under_way=is_under_way,
        matched_on=matched_on,
        is_usable=kept is not None and kept.is_usable,
        by_shops=dict(sorted(Counter(shops.values()).items())),
        unknown=len(named - shops.keys()),
    )


def _course(home: StoreHome, kept: KeptCounts | None, vault: Vault) -> tuple[bool, str]:
    """Return whether a matching is under way, and the day of the one whose counts are kept."""
    if not home.matching.exists():
        return False, "" if kept is None else "an unknown day"
    with MatchingState.open(home.matching, vault_id=vault.vault_id) as state:
        is_under_way = bool(state.under_way())
        if kept is None:
            return is_under_way, ""
        day = state.day_of(kept.table_request_sha256)
    return is_under_way, "an unknown day" if day is None else f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"
