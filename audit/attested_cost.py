"""What an attestation may say of its cost: bounds that follow from the charter, whoever the customers are.

How many of a training's earlier phases a store has paid for only its ledger knows. But it has paid for this
one, and at most for all up to this one, each once and with the charter's noise.
"""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.audit.attestation import AttestedKind, AttestedRound, AttestedUse
from highstreet.audit.charter import Charter
from highstreet.audit.claims import releases_of
from highstreet.audit.errors import AttestationError
from highstreet.privacy.accountant import epsilon

__all__ = ["CostBounds", "cost_allowed", "matching_cost", "training_cost"]

#: How much two computers' accountants may be apart: ten times what their bounds are tight to.
_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBounds:
    """The least and the most that a store can have spent, ends included.

    Attributes:
        least_epsilon, most_epsilon: of the programme up to this round.
        least_delta, most_delta: that go with it; of a training both the charter's.
    """

    least_epsilon: float
    most_epsilon: float
    least_delta: float
    most_delta: float

    def check(self, use: AttestedUse) -> None:
        """Return only when an attestation says a cost that a store of this co-op can have.

        Raises:
            AttestationError: it says less, or more.
        """
        if not self.least_delta <= use.delta <= self.most_delta:
            raise AttestationError(f"An attestation says delta {use.delta:g}, which the charter does not.")
        if not self.least_epsilon <= use.epsilon <= self.most_epsilon:
            raise AttestationError(
                f"An attestation says epsilon {use.epsilon:.4g}; under the charter it is from "
                f"{self.least_epsilon:.4g} to {self.most_epsilon:.4g}."
            )


def training_cost(charter: Charter, *, round_number: int) -> CostBounds:
    """Return what a store can have spent on a training when it contributes to one of its rounds.

    Args:
        charter: in force.
        round_number: from 0.

    Raises:
        AttestationError: the charter's programme has no such round.
    """
    releases = tuple(releases_of(charter.plan))[: round_number + 1]
    if len(releases) <= round_number:
        raise AttestationError(f"The charter's programme has no round {round_number + 1}.")
    delta = charter.privacy.delta
    return CostBounds(
        least_epsilon=epsilon(releases[-1:], delta=delta) * (1 - _TOLERANCE),
        most_epsilon=epsilon(releases, delta=delta) * (1 + _TOLERANCE),
        least_delta=delta,
        most_delta=delta,
    )


def matching_cost(charter: Charter, *, participants: int | None = None) -> CostBounds:
    """Return what a list or table of a matching can cost: no epsilon, and what one person changes for others.

    Args:
        charter: in force.
        participants: members who were asked; None: not known, so any number that the charter allows.

    Raises:
        AttestationError: under this charter no matching can be held.
    """
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.audit.matchings import fewest_participants, influence_of, influences

    if charter.matching is None:
        raise AttestationError("The charter matches nobody.")
    if participants is not None:
        least = most = influence_of(charter, participants=participants)
    else:
        found = influences(charter)
        if not found:
            raise AttestationError("Under the charter no matching can be held.")
        least, most = influence_of(charter, participants=fewest_participants(charter)), found[-1][1]
    return CostBounds(least_epsilon=0, most_epsilon=0, least_delta=float(least), most_delta=float(most))


def cost_allowed(charter: Charter, about: AttestedRound) -> CostBounds:
    """Return what an attestation may say of its cost, for an auditor who has the charter and nothing else.

    Raises:
        AttestationError: the charter is another co-op's, or has no such round or matching.
    """
    if about.coop_id != charter.coop.id:
        raise AttestationError("The attestation is of another co-op than the charter's.")
    if about.kind is AttestedKind.TRAINING:
        return training_cost(charter, round_number=about.round)
    return matching_cost(charter)
