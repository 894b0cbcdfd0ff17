"""A store's answer to a round message: the bytes that leave, and what the shop's own log says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from highstreet.audit.attestation import AttestedKind
from highstreet.client.attested_names import AttestedName
from highstreet.privacy.secure_sum import SumRefusal
from highstreet.protos.rounds_pb2 import RefusalCode

__all__ = ["RoundAnswer", "Step"]


class Step(StrEnum):
    """What a round message asks a store for, and what leaves when it agrees."""

    CONTRIBUTION = "contribution"
    INSPECTION = "inspection"
    AGREEMENT = "agreement"
    SUM_SHARE = "share of the sum"
    MATCHING_KEY = "matching key"
    BLINDED_LIST = "blinded list"
    EVALUATIONS = "evaluations of blinded lists"
    TABLE = "table of a matching"
    COUNTS = "word that counts were dealt with"

    @property
    def attested(self) -> AttestedKind | None:
        """As what it is attested; None of what rests on no customer of this store, or of many stores'."""
        return _ATTESTED.get(self)


_ATTESTED = {
    Step.CONTRIBUTION: AttestedKind.TRAINING,
    Step.BLINDED_LIST: AttestedKind.MATCHING_LIST,
    Step.TABLE: AttestedKind.MATCHING_TABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAnswer:
    """What leaves, with what is noted of it here.

    Attributes:
        body: all that travels.
        step: what was asked for; None when the message could not be read.
        programme_id, round, phase: which round; empty, 0 and empty when the request was not in order.
        refusal: why the store takes no part; None when it does, or refused as a committee member.
        attestation_sha256: of what the store signed of its contribution; None of everything else.
        sum_refusal: why it refused as a member of the round's committee; None when it did not.
    """

    body: bytes = field(repr=False)
    step: Step | None = None
    programme_id: str = ""
    round: int = 0
    phase: str = ""
    refusal: RefusalCode | None = None
    attestation_sha256: bytes | None = None
    sum_refusal: SumRefusal | None = None

    @property
    def attested(self) -> AttestedName | None:
        """What is attested, or would have been; None where nothing is, or the request could not be read."""
        kind = None if self.step is None else self.step.attested
        if kind is None or not self.programme_id:
            return None
        return AttestedName(programme_id=self.programme_id, kind=kind, round=self.round)

    @property
    def is_refused(self) -> bool:
        """Whether nothing left but the reason of a refusal."""
        return self.refusal is not None or self.sum_refusal is not None
