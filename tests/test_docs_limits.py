"""How many stores a sum and a matching take, as the documents say it, is what the code refuses beyond."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from highstreet.audit.charter import Charter, MatchingTerms
from highstreet.audit.errors import CharterError
from highstreet.audit.matchings import refuse_impossible_matching
from highstreet.audit.sums import refuse_impossible_sum
from highstreet.models.plan import PhasePlan
from highstreet.privacy.matching import IdentifierKind
from highstreet.server.founding import default_charter

pytestmark = pytest.mark.checkout

_DOCS = Path(__file__).resolve().parent.parent / "docs"


def _charter(matching: MatchingTerms | None = None) -> Charter:
    return default_charter(
        "Any",
        epsilon=3.0,
        delta=1e-5,
        today=date(2026, 11, 22),
        shops_per_person=None if matching is None else 4,
        matching=matching,
    )


def _most(refuse: Callable[[int], None], *, above: int) -> int:
    """The last number of stores that is not refused, from one on that is not."""
    count = above
    while True:
        try:
            refuse(count)
        except CharterError:
            return count - 1
        count += 1


def _page(name: str) -> str:
    return (_DOCS / name).read_text(encoding="utf-8").replace("\n", " ")


def test_the_most_stores_of_a_sum_are_those_that_are_said() -> None:
    charter = _charter()
    phase = max(charter.plan.phases, key=lambda each: each.dimension)
    told = re.findall(r"^\| ([\d,]+)(?: \(the default charter\))? \| (\d+) \|$", _decision(), flags=re.M)
    assert len(told) == 4
    for numbers, stores in told:
        dimension = int(numbers.replace(",", ""))
        longest = replace(phase, dimension=dimension)

        def refuse(count: int, longest: PhasePlan = longest) -> None:
            refuse_impossible_sum(longest, charter, participants=count)

        assert _most(refuse, above=3) == int(stores)
    assert f"{phase.dimension:,} (the default charter)" in _decision()
    assert "**16 stores at d = 10^6, 166 at 10^5** and 214 at the 77,834" in _page("secure-sum.md")
    for page in ("results/README.md", "results/secure-sum.md"):
        assert " 16 s" in _page(page)
        assert "166" in _page(page)


def test_the_most_stores_of_a_matching_are_those_that_are_said() -> None:
    for identifiers, first_refused in ((200, 45), (1, 93)):
        terms = MatchingTerms(
            identifiers_per_store=identifiers, identifier_kind=IdentifierKind.EMAIL, period_days=30
        )
        charter = _charter(terms)

        def refuse(count: int, charter: Charter = charter) -> None:
            refuse_impossible_matching(charter, participants=count)

        assert _most(refuse, above=6) + 1 == first_refused
        assert f"{first_refused} stores" in _page("matching.md")


def _decision() -> str:
    return (_DOCS / "adr" / "0036-a-sum-is-bounded-by-64-mib-of-messages.md").read_text(encoding="utf-8")
