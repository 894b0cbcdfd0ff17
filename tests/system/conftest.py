"""Co-ops of real processes on this machine: a coordinator and some shops with made-up customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from highstreet.audit.charter import COOP_LEARNING, MATCHING, MatchingTerms, RoundTerms
from highstreet.privacy.releases import PrivacyUnit, Weighting
from tests.system.real_coop import Coop, MatchingCoop, running_coop, running_shops, shops_beside, tiny_charter
from tests.system.real_shops import Customer, MatchingShop, Shop

#: Rounds for three stores, all of which are needed.
ALL_OF_THREE = RoundTerms(cohort_floor=3, quorum=1.0, deadline_seconds=300)


@pytest.fixture(scope="session")
def coop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coop]:
    """A coordinator that runs; used by one test after the other, each with a programme of its own."""
    charter = tiny_charter(gradient_rounds=0, rounds=ALL_OF_THREE)
    with running_coop(tmp_path_factory.mktemp("s") / "coop", charter) as made:
        yield made


@pytest.fixture(scope="session")
def shops(coop: Coop) -> Iterator[list[Shop]]:
    """Three stores that joined, vouch for each other and run."""
    made = shops_beside(coop, 3)
    with running_shops(coop, made):
        yield made


@pytest.fixture
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Coop, list[Shop]]]:
    """A co-op of six stores that opens the sum of four."""
    terms = RoundTerms(cohort_floor=4, quorum=0.5, deadline_seconds=90)
    charter = tiny_charter(gradient_rounds=0, rounds=terms)
    with running_coop(tmp_path_factory.mktemp("six") / "coop", charter) as coop:
        made = shops_beside(coop, 6)
        with running_shops(coop, made):
            yield coop, made


@pytest.fixture
def make_customer() -> Callable[..., Customer]:
    """Make a customer of a shop."""
    return Customer


@pytest.fixture
def matching(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[MatchingCoop]]:
    """Make a co-op whose charter matches, of stores with these customers, for the length of a `with`."""

    @contextmanager
    def made(
        customers: Sequence[Sequence[Customer]],
        *,
        deadline_seconds: int,
        identifiers: int = 200,
        max_dimension: int = 1 << 20,
        counts_weigh: bool = False,
    ) -> Iterator[MatchingCoop]:
        terms = RoundTerms(cohort_floor=3, quorum=0.5, deadline_seconds=deadline_seconds)
        charter = replace(
            tiny_charter(gradient_rounds=0, rounds=terms),
            purposes=(COOP_LEARNING, MATCHING),
            matching=MatchingTerms(identifiers_per_store=identifiers, period_days=30),
        )
        if counts_weigh:
            about_persons = replace(
                charter.privacy, privacy_unit=PrivacyUnit.PERSON, weighting=Weighting.ONE_OVER_SHOPS
            )
            charter = replace(charter, privacy=about_persons)
        with running_coop(tmp_path_factory.mktemp("m") / "coop", charter) as coop:
            shops = [
                MatchingShop(
                    coop.home.root.parent / f"shop{number}", number, each, max_dimension=max_dimension
                )
                for number, each in enumerate(customers, start=1)
            ]
            with running_shops(coop, shops):
                yield MatchingCoop(coop, shops)

    return made
