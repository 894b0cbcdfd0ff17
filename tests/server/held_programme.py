"""A programme of six played stores: what it published, what is on record, and what was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from played_coop import PlayedCoop, made_charter, stores

from highstreet.models.state import SharedState

CHARTER = made_charter()
WHOLE = made_charter(phases=99)


def coop_of(folder: Path, count: int = 6, **told: dict[str, str]) -> PlayedCoop:
    return PlayedCoop(folder, CHARTER, stores(count, **told))


def result_of(coop: PlayedCoop) -> SharedState:
    (candidate,) = coop.published
    return candidate.state


def outcome_of(coop: PlayedCoop) -> tuple[object, ...]:
    return coop.rows("SELECT contributors, answers, wrong, is_checked FROM rounds")[0]


def assert_asked_with_one_voice(coop: PlayedCoop) -> None:
    """However often a store was asked for one thing, and after whatever crash, it was in the same bytes."""
    for store in coop.stores.values():
        for bodies in store.asked.values():
            assert len(set(bodies)) == 1


def raising(error: Exception) -> Callable[[object], None]:
    def publish(candidate: object) -> None:
        raise error

    return publish
