"""A store of a played co-op that answers by its own round desk, till and ledger, and has no customers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from matching_coop import LIMITS
from played_coop import PlayedCoop
from played_store import PlayedStore

from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.till import StoreTill
from highstreet.privacy.budget import Budget, SpendingLimits

__all__ = ["DeskStore"]

BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=365)


class DeskStore(PlayedStore):
    """What it adds to a sum is its noise alone; whom it answers, and how often, is what a shop's desk says.

    Args:
        number: its node.
        folder: its own.
        bend: what becomes of a message on its way here.
    """

    def __init__(self, number: int, folder: Path, *, bend: Callable[[bytes], bytes]) -> None:
        super().__init__(number)
        self.home = StoreHome(folder / f"store {number}").ensure()
        self.answers: list[RoundAnswer] = []
        self._bend = bend

    def answer(self, body: bytes, coop: PlayedCoop) -> tuple[float, bytes | None] | None:
        """Answer what came of a message."""
        return 0.0, self.answer_plainly(self._bend(body), coop).body

    def answer_plainly(self, body: bytes, coop: PlayedCoop) -> RoundAnswer:
        """Answer this very message, with the ledger opened anew."""
        everybody = frozenset(store.member_id for store in coop.stores.values())
        agreement = Agreement(
            member_id=self.member_id,
            coordinator_public_key=coop.public_key,
            charter=coop.charter,
            limits=LIMITS,
            find_roster=lambda *_: CountedRoster(roster=coop.roster, counted=everybody),
            holds_to_day=lambda programme_id, day: True,
        )
        with closing(Ledger.open(self.home.ledger)) as ledger:
            till = StoreTill(
                home=self.home,
                ledger=ledger,
                plan=coop.charter.plan,
                terms=coop.charter.privacy,
                limits=SpendingLimits(budget=BUDGET),
                today=lambda: datetime.fromtimestamp(coop.clock(), UTC).date(),
            )
            desk = RoundDesk(agreement, keys=self.keys, till=till, clock=coop.clock)
            self.answers.append(desk.answer(body))
        return self.answers[-1]
