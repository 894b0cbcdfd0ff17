"""Two of six stores are killed in the middle of a round: its sum is right. Below the floor none is opened."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from highstreet.audit.requests import mechanism_of, open_reply, request_sha256
from highstreet.audit.sums import round_context
from highstreet.client.identity import load_identity
from highstreet.client.membership import load_membership
from highstreet.client.rosters import known_roster
from highstreet.models.programme import initial_state
from highstreet.models.state import SharedState
from highstreet.privacy.secure_sum import RoundContext, open_contribution
from highstreet.privacy.secure_sum.field import MODULUS, centre, from_bytes
from highstreet.privacy.secure_sum.keystream import expand_seed
from highstreet.privacy.secure_sum.sealing import open_box
from highstreet.privacy.secure_sum.shamir import open_shares
from highstreet.protos.rounds_pb2 import RoundRequest, SignedRequest
from highstreet.server.aggregation import close_phase
from highstreet.server.database import connect

if TYPE_CHECKING:
    from conftest import Coop, Shop

pytestmark = [pytest.mark.system, pytest.mark.slow]


def _rounds(coop: Coop, programme: str) -> list[tuple[SignedRequest, int, bytes]]:
    """Request, number of contributors and state of each closed round."""
    with closing(connect(coop.home.database)) as connection:
        rows = connection.execute(
            "SELECT request, contributors, state FROM rounds WHERE programme_id = ?"
            " AND closed_at IS NOT NULL ORDER BY round",
            (programme,),
        ).fetchall()
    return [
        (SignedRequest.FromString(row["request"]), int(row["contributors"]), bytes(row["state"]))
        for row in rows
    ]


def _contributions(coop: Coop, programme: str, number: int) -> int:
    with closing(connect(coop.home.database)) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM replies WHERE programme_id = ? AND round = ? AND refusal = ''",
            (programme, number),
        ).fetchone()
    return int(count)


def _context(coop: Coop, shop: Shop, signed: SignedRequest) -> RoundContext:
    request = RoundRequest.FromString(signed.request)
    membership = load_membership(shop.home)
    roster = known_roster(shop.home, membership, request.roster_sha256)
    assert roster is not None
    return round_context(
        request,
        request_sha256(signed),
        charter=coop.charter,
        roster=roster,
        coordinator_public_key=membership.coordinator_key,
    )


def _vector(shop: Shop, shops: list[Shop], context: RoundContext, reply: bytes) -> NDArray[np.uint32]:
    """What a store shared out, put together with the private keys of all who could open a part of it."""
    public = load_identity(shop.home).signing.public_key().public_bytes_raw()
    opened = open_contribution(open_reply(reply, member_public_key=public).contribution, context)
    keys = {load_membership(each.home).member_id: load_identity(each.home).encryption for each in shops}
    shares = {}
    for position, member in enumerate(context.committee.members, start=1):
        label = opened.header.box_label(context, position)
        share = open_box(opened.boxes[position - 1], label, member_key=keys[member.member_id])
        shares[position] = (
            expand_seed(share, context.dimension)
            if position < context.committee.threshold
            else from_bytes(share, dimension=context.dimension)
        )
    found = open_shares(shares, threshold=context.committee.threshold)
    assert found is not None
    assert not found.wrong
    return found.secret


def _state_by_hand(
    coop: Coop, shops: list[Shop], programme: str, number: int, before: SharedState
) -> tuple[bytes, int]:
    """Add up what the stores' own ledgers say they shared, and apply it as the coordinator should have."""
    signed, contributors, _ = _rounds(coop, programme)[number]
    phase = coop.charter.plan.phases[number]
    context = _context(coop, shops[0], signed)
    replies = [(shop, shop.replies().get((programme, number))) for shop in shops]
    vectors = [_vector(shop, shops, context, reply) for shop, reply in replies if reply is not None]
    total = (np.sum(vectors, axis=0, dtype=np.uint64) % np.uint64(MODULUS)).astype(np.uint32)
    state = close_phase(
        coop.charter.plan,
        phase,
        before,
        centre(total),
        mechanism=mechanism_of(phase, coop.charter, participants=len(shops)),
        contributors=contributors,
    )
    return state.to_bytes(), len(vectors)


def test_two_of_six_stores_vanish_in_a_round_and_below_the_floor_nothing_is_opened(
    six: tuple[Coop, list[Shop]],
) -> None:
    coop, shops = six
    programme = coop.train()
    coop.until(lambda: _contributions(coop, programme, 0) == 6 or coop.closed_rounds(programme) > 0, 300)
    assert coop.closed_rounds(programme) == 0, "the round was over before anybody could be killed in it"
    for shop in shops[4:]:
        shop.process.kill()
    coop.wait_finished(programme, seconds=400)

    rounds = _rounds(coop, programme)
    assert [contributors for _, contributors, _ in rounds] == [6, 4, 4]
    state = initial_state(coop.charter.plan)
    for number, (_, contributors, closed) in enumerate(rounds):
        by_hand, vectors = _state_by_hand(coop, shops, programme, number, state)
        assert vectors == contributors
        assert by_hand == closed
        state = SharedState.from_bytes(closed)

    shops[3].process.kill()
    programme = coop.train()
    coop.until(lambda: coop.state_of(programme) in {"finished", "failed"}, 200)
    assert coop.state_of(programme) == "failed"
    assert coop.closed_rounds(programme) == 0
    with closing(connect(coop.home.database)) as connection:
        (failure,) = connection.execute(
            "SELECT failure FROM programmes WHERE programme_id = ?", (programme,)
        ).fetchone()
    assert "3 of 6 stores took part" in failure
    for shop in shops:  # nobody was asked to open anything
        assert shop.agreements(programme) == []
