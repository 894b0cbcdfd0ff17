"""The secure sums of a simulated co-op: every shop, the committees and the coordinator in one process.

Contributions, boxes, announced sets, agreements, answers and openings are real, as `privacy.secure_sum` makes
them; left out are the network, the records on disk, the signed request, charter and roster around,
attestations, and looking the contributions through before a set is announced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from highstreet.audit.charter import RoundTerms
from highstreet.audit.sums import committee_terms
from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    CountedMembers,
    MadeContribution,
    Member,
    MemberKeys,
    OpenedSum,
    Opening,
    RoundContext,
    choose_committee,
    contribute,
)
from highstreet.simulations.errors import TooFewStoresError

__all__ = ["FLOOR_PERCENT", "OneProcessCoop", "round_terms"]

#: Percentage of the shops that makes the floor, where none is asked for.
FLOOR_PERCENT = 80
_FEWEST_STORES = 3
_COOP = "0" * 32
_PROGRAMME = "1" * 16
_ROSTER_SHA256 = bytes(32)


def round_terms(stores: int, *, floor: int | None = None, colluders: int = 1) -> RoundTerms:
    """Return how the rounds of a simulated co-op are held, the charter's defaults where nothing is asked for.

    Args:
        stores: shops that train.
        floor: fewest contributors; FLOOR_PERCENT of the shops, rounded up, when None.
        colluders: members who may work with the coordinator.

    Raises:
        TooFewStoresError: no secure sum can be held with so many shops, this floor and these colluders.

    >>> round_terms(108).cohort_floor
    87
    """
    chosen = max(_FEWEST_STORES, -(-FLOOR_PERCENT * stores // 100)) if floor is None else floor
    terms = RoundTerms(cohort_floor=chosen, colluders=colluders)
    lowest = max(_FEWEST_STORES, colluders + 1)
    if not lowest <= chosen <= stores or not 0 <= colluders < terms.committee_size:
        raise TooFewStoresError(
            f"{stores} shops cannot hold a secure sum with a floor of {chosen} and {colluders} colluding.",
            next_step=f"Use at least {_FEWEST_STORES} shops, a floor from {_FEWEST_STORES} to the number of "
            "shops and above the colluders, or leave out the conditions with noise in the sum.",
        )
    return terms


class OneProcessCoop:
    """Shops with fresh keys, the roster of them, and a coordinator.

    Args:
        stores: how many shops; numbered from 0.
        rounds: floor, colluders and committee.
    """

    def __init__(self, stores: int, rounds: RoundTerms) -> None:
        self._coordinator = Ed25519PrivateKey.generate()
        self._terms = committee_terms(rounds)
        self._keys = {
            f"{number:016x}": MemberKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
            for number in range(stores)
        }
        self._members = CountedMembers(
            Member(
                member_id=member_id,
                signing_public_key=keys.signing.public_key().public_bytes_raw(),
                encryption_public_key=keys.encryption.public_key().public_bytes_raw(),
            )
            for member_id, keys in self._keys.items()
        )

    def context(self, round_number: int, dimension: int) -> RoundContext:
        """Return what every party of a round knows before it begins; its committee is drawn anew."""
        return RoundContext(
            coop_id=_COOP,
            request_sha256=hashlib.sha256(f"round {round_number}".encode()).digest(),
            coordinator_public_key=self._coordinator.public_key().public_bytes_raw(),
            members=self._members,
            committee=choose_committee(
                self._members,
                coop_id=_COOP,
                programme_id=_PROGRAMME,
                round_number=round_number,
                roster_sha256=_ROSTER_SHA256,
                terms=self._terms,
            ),
            floor=self._terms.floor,
            dimension=dimension,
        )

    @property
    def coordinator_key(self) -> Ed25519PrivateKey:
        """The coordinator's signing key, for whoever plays the coordinator step by step."""
        return self._coordinator

    def keys_of(self, member_id: str) -> MemberKeys:
        """Return a shop's private keys, for one that plays a colluder."""
        return self._keys[member_id]

    def contribution(self, context: RoundContext, number: int, addend: NDArray[np.int64]) -> MadeContribution:
        """Return the contribution of a shop, by its number."""
        member_id = f"{number:016x}"
        return contribute(context, addend, member_id=member_id, signing_key=self._keys[member_id].signing)

    def add(
        self,
        addends: Mapping[int, Callable[[], NDArray[np.int64]]],
        *,
        round_number: int,
        dimension: int,
    ) -> OpenedSum:
        """Hold one round: the shops contribute, the whole committee agrees and answers, the sum is opened.

        Args:
            addends: for each shop that contributes, by number, what it puts into the sum, called once and in
                order; at least the floor.
            round_number: index of the phase; a number is good for one round.
            dimension: coordinates of the sum.

        Raises:
            BelowFloorError: fewer shops than the floor contribute.
        """
        context = self.context(round_number, dimension)
        opening = Opening(context)
        headers: dict[str, bytes] = {}
        for number in sorted(addends):
            made = self.contribution(context, number, addends[number]())
            headers[opening.add_contribution(made.body)] = made.header_sha256
        opening.announce(self._coordinator)
        seats = [
            CommitteeSeat(
                context=context,
                member_id=member.member_id,
                own_header_sha256=headers.get(member.member_id),
            )
            for member in context.committee.members
        ]
        agreed = []
        for seat in seats:
            prepared = seat.agree(opening.agreement_request(seat.member_id), self._keys[seat.member_id])
            opening.add_agreement(prepared.release(_keep_no_record))
            agreed.append(prepared.seat)
        for seat in agreed:
            prepared = seat.prepare(opening.sum_request(seat.member_id), self._keys[seat.member_id])
            opening.add_answer(prepared.release(_keep_no_record))
        return opening.open()


def _keep_no_record(_set_sha256: bytes) -> None:
    """Keep no record: one process plays all parties, and a crash ends them all."""
