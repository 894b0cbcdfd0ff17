"""A coordinator that sends two states to two halves of a co-op gets the sum of neither half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from desk_store import DeskStore
from played_coop import Clock, PlayedCoop, made_charter

from highstreet.audit.requests import mechanism_of, sign_request
from highstreet.client.round_answers import Step
from highstreet.models.programme import initial_state
from highstreet.protos.rounds_pb2 import REFUSAL_REPEATED, RoundMessage, RoundRequest
from highstreet.server.aggregation import close_phase

COUNT = 6
ONE_HALF, OTHER_HALF = frozenset({1, 2, 3}), frozenset({4, 5, 6})
#: The programme's public day is yesterday.
NOON = (17_490 * 24 + 12) * 3600.0


class TwoFacedCoop:
    """A co-op whose coordinator asks some stores to start phase 1 from a state of its own making.

    Each half alone is as large as the cohort floor. What it asks is signed with its key and in order: a
    store cannot tell which of the two states is the programme's.
    """

    def __init__(self, folder: Path, fooled: frozenset[int]) -> None:
        self.fooled: dict[int, bytes] = {}
        self.stores = [
            DeskStore(
                number, folder, bend=lambda body, n=number: self._bent(body, n) if n in fooled else body
            )
            for number in range(1, COUNT + 1)
        ]
        self.coop = PlayedCoop(folder, made_charter(phases=2), self.stores)
        self.coop.clock = Clock(NOON)

    def _bent(self, body: bytes, number: int) -> bytes:
        message = RoundMessage.FromString(body)
        if message.WhichOneof("step") != "contribute":
            return body
        request = RoundRequest.FromString(message.contribute.request.request)
        if request.round == 0:
            return body
        charter = self.coop.charter
        phase = charter.plan.phases[0]
        another = close_phase(
            charter.plan,
            phase,
            initial_state(charter.plan),
            np.arange(phase.dimension, dtype=np.int64),
            mechanism=mechanism_of(phase, charter, participants=COUNT),
            contributors=COUNT,
        )
        request.state_sha256 = bytes.fromhex(another.sha256())
        message.contribute.request.CopyFrom(sign_request(request, self.coop.key))
        message.contribute.state = another.to_bytes()
        self.fooled[number] = message.SerializeToString(deterministic=True)
        return self.fooled[number]

    def answered(self, store: DeskStore, step: Step) -> list[object]:
        """What a store said to a step of phase 1: the code of a refusal, or None."""
        return [each.refusal for each in store.answers if each.step is step and each.round == 1]


@pytest.mark.parametrize("fooled", [ONE_HALF, OTHER_HALF])
def test_two_states_for_two_halves_open_neither_sum(tmp_path: Path, fooled: frozenset[int]) -> None:
    two_faced = TwoFacedCoop(tmp_path, fooled)
    coop = two_faced.coop
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert "3 of the 6 members of the committee" in failure
    assert coop.published == []
    assert set(two_faced.fooled) == fooled
    for store in two_faced.stores:
        # Every store contributed once, to the request that it was shown,
        assert two_faced.answered(store, Step.CONTRIBUTION)[0] is None
        if store.number in fooled:  # says nothing to the other's sum, whatever it is asked,
            assert set(two_faced.answered(store, Step.INSPECTION)) == {REFUSAL_REPEATED}
        else:  # and is not talked into the other request either.
            body = next(iter(two_faced.fooled.values()))
            assert store.answer_plainly(body, coop).refusal == REFUSAL_REPEATED
        for step in (Step.AGREEMENT, Step.SUM_SHARE):  # so it never comes to the opening
            assert two_faced.answered(store, step) == []


def test_one_state_for_all_opens_the_sum(tmp_path: Path) -> None:
    """The twin: the same stores, by the same desks, none of them fooled."""
    two_faced = TwoFacedCoop(tmp_path, frozenset())
    two_faced.coop.run()
    assert two_faced.coop.ended() == ("finished", "")
    assert len(two_faced.coop.published) == 1
    for store in two_faced.stores:
        assert two_faced.answered(store, Step.INSPECTION) == [None]
        assert two_faced.answered(store, Step.AGREEMENT) == [None]
        assert two_faced.answered(store, Step.SUM_SHARE) == [None]
