"""One round of Highstreet's secure sum, every party's part timed and every message weighed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.secure_sum import CommitteeSeat, MemberKeys, Opening, judge
from highstreet.privacy.secure_sum.limits import SUM_REQUEST_LIMIT_BYTES
from highstreet.simulations.bench.sum_case import REACH, STEPS, Role, SumCase, Tally
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.secure_sums import OneProcessCoop, round_terms

__all__ = ["hold_our_round", "why_not_ours"]

_GRID_STEP = 2 * REACH / STEPS
_COLLUDERS = 1


def why_not_ours(case: SumCase) -> str:
    """Say why the protocol refuses a case, or nothing.

    >>> why_not_ours(SumCase(stores=50, dimension=1_000_000))
    ''
    """
    if case.stores * 4 * case.dimension > SUM_REQUEST_LIMIT_BYTES:
        return (
            f"refused: a member's request would be over its {SUM_REQUEST_LIMIT_BYTES >> 20} MiB, the most "
            "that a coordinator can make a shop's machine hold "
            f"(up to {SUM_REQUEST_LIMIT_BYTES // (4 * case.dimension)} stores)"
        )
    return ""


def hold_our_round(case: SumCase, tally: Tally, *, seats: int) -> NDArray[np.float64]:
    """Hold a round in which every store contributes and the whole committee looks, agrees and answers.

    Rounding to the grid is the contributor's, taking the mean the opening's; noise is no part of it on
    either side.

    Args:
        case: what to sum.
        tally: of costs.
        seats: of the committee, fewer where there are fewer stores; one member may collude.

    Returns:
        The mean of the vectors, float64, shape (d,).
    """
    coop = OneProcessCoop(
        case.stores, replace(round_terms(case.stores, colluders=_COLLUDERS), committee_size=seats)
    )
    context = coop.context(0, case.dimension)
    opening, headers = Opening(context), {}
    for store in range(case.stores):
        vector = case.vector(store)
        with tally.at_work(Role.CONTRIBUTOR, store):
            made = coop.contribution(context, store, _on_the_grid(vector))
        tally.sent(Role.CONTRIBUTOR, store, len(made.body))
        with tally.at_work(Role.COORDINATOR):
            headers[opening.add_contribution(made.body)] = made.header_sha256
    held = [
        CommitteeSeat(
            context=context, member_id=member.member_id, own_header_sha256=headers.get(member.member_id)
        )
        for member in context.committee.members
    ]
    _look_through(held, coop, opening, tally)
    for seat in _agree(held, coop, opening, tally):
        _answer(seat, coop.keys_of(seat.member_id), opening, tally)
    with tally.at_work(Role.OPENING):
        opened = opening.open()
        mean: NDArray[np.float64] = opened.values.astype(np.float64) * (_GRID_STEP / case.stores)
    return mean


def _on_the_grid(vector: NDArray[np.float32]) -> NDArray[np.int64]:
    steps: NDArray[np.int64] = np.rint(vector * np.float32(1 / _GRID_STEP)).astype(np.int64)
    return steps


def _look_through(
    seats: Sequence[CommitteeSeat], coop: OneProcessCoop, opening: Opening, tally: Tally
) -> None:
    """Have every seat look all boxes through, and announce the set of those that nobody complained of."""
    context = seats[0].context
    with tally.at_work(Role.COORDINATOR):
        inspections = opening.inspections(coop.coordinator_key)
    for seat in seats:
        with tally.at_work(Role.COORDINATOR):
            request = inspections.request(seat.member_id)
        with _asked(tally, seat.member_id, request):
            inspection = seat.inspect(request, coop.keys_of(seat.member_id))
        tally.sent(Role.COMMITTEE, seat.member_id, len(inspection))
        with tally.at_work(Role.COORDINATOR):
            inspections.add(inspection)
    with tally.at_work(Role.COORDINATOR):
        judgement = judge(
            inspections.complaints,
            opening.contributors,
            threshold=context.committee.threshold,
            colluders=_COLLUDERS,
            floor=context.floor,
        )
        if judgement is None or judgement.left_out:
            raise SimulationsError("An honest committee complained of honest contributions.")
        opening.announce(coop.coordinator_key)


def _agree(
    seats: Sequence[CommitteeSeat], coop: OneProcessCoop, opening: Opening, tally: Tally
) -> list[CommitteeSeat]:
    agreed = []
    for seat in seats:
        with tally.at_work(Role.COORDINATOR):
            request = opening.agreement_request(seat.member_id)
        with _asked(tally, seat.member_id, request):
            prepared = seat.agree(request, coop.keys_of(seat.member_id))
            agreement = prepared.release(_keep_no_record)
        tally.sent(Role.COMMITTEE, seat.member_id, len(agreement))
        with tally.at_work(Role.COORDINATOR):
            opening.add_agreement(agreement)
        agreed.append(prepared.seat)
    return agreed


def _answer(seat: CommitteeSeat, keys: MemberKeys, opening: Opening, tally: Tally) -> None:
    with tally.at_work(Role.COORDINATOR):
        request = opening.sum_request(seat.member_id)
    with _asked(tally, seat.member_id, request):
        answer = seat.prepare(request, keys).release(_keep_no_record)
    tally.sent(Role.COMMITTEE, seat.member_id, len(answer))
    with tally.at_work(Role.COORDINATOR):
        opening.add_answer(answer)


@contextmanager
def _asked(tally: Tally, member_id: str, request: bytes) -> Iterator[None]:
    tally.received(Role.COMMITTEE, member_id, len(request))
    with tally.at_work(Role.COMMITTEE, member_id):
        yield


def _keep_no_record(_set_sha256: bytes) -> None:
    """Keep no record: the disk is no part of what is measured, on either side."""
