"""Errors of the secure sum; refusals of what arrives from outside are codes of a closed list."""

from __future__ import annotations

from enum import IntEnum

from highstreet.privacy.errors import PrivacyError

__all__ = [
    "BelowFloorError",
    "InconsistentAnswersError",
    "InvalidRoundError",
    "InvalidTermsError",
    "InvalidVectorError",
    "MissingAgreementsError",
    "MissingAnswersError",
    "OpeningStateError",
    "SecureSumError",
    "SumRefusal",
    "SumRefusedError",
]


class SumRefusal(IntEnum):
    """Why something that arrived is refused; the numbers are those of SumRefusalCode in secure_sum.proto."""

    UNREADABLE = 1
    VERSION = 2
    COORDINATOR_SIGNATURE = 3
    OTHER_REQUEST = 4
    NOT_ADDRESSED = 5
    FLOOR = 6
    SECOND_SET = 7
    UNKNOWN_CONTRIBUTOR = 8
    REPEATED_CONTRIBUTOR = 9
    CONTRIBUTOR_SIGNATURE = 10
    OTHER_COOP = 11
    REPLAYED = 12
    COMMITTEE = 13
    DIMENSION = 14
    OWN_CONTRIBUTION = 15
    BOX_COUNT = 16
    BOX_SIZE = 17
    BOX_DIGEST = 18
    LOW_ORDER_KEY = 19
    BOX_SEAL = 20
    SHARE_RANGE = 21
    NOT_ON_COMMITTEE = 22
    MEMBER_SIGNATURE = 23
    OTHER_SET = 24
    REPEATED_ANSWER = 25
    ANSWER_SIZE = 26
    UNAVAILABLE = 27
    FEW_AGREEMENTS = 28
    REPEATED_AGREEMENT = 29
    AGREEMENT_SEAT = 30
    AGREEMENT_SIGNATURE = 31
    AGREEMENT_REQUEST = 32
    AGREEMENT_COMMITTEE = 33
    AGREEMENT_SET = 34
    INSPECTION = 35
    FEW_ANSWERS = 36
    CONTRADICTION = 37

    @classmethod
    def received(cls, number: int) -> SumRefusal:
        """Return the code of a number that arrived; UNAVAILABLE for one that is not known here."""
        try:
            return cls(number)
        except ValueError:
            return cls.UNAVAILABLE


_FACTS = {
    SumRefusal.UNREADABLE: "a message cannot be read or is over a limit",
    SumRefusal.VERSION: "a message has a format version that is not spoken here",
    SumRefusal.COORDINATOR_SIGNATURE: "the announced set is not signed by the coordinator",
    SumRefusal.OTHER_REQUEST: "the message belongs to another request",
    SumRefusal.NOT_ADDRESSED: "the message is meant for another committee member",
    SumRefusal.FLOOR: "the set holds fewer contributors than the floor",
    SumRefusal.SECOND_SET: "this store agreed to another set in this round",
    SumRefusal.UNKNOWN_CONTRIBUTOR: "a contributor is no counted member of the roster",
    SumRefusal.REPEATED_CONTRIBUTOR: "a contributor comes twice",
    SumRefusal.CONTRIBUTOR_SIGNATURE: "a contributor did not sign its header",
    SumRefusal.OTHER_COOP: "a contribution is for another co-op",
    SumRefusal.REPLAYED: "a contribution answers another request",
    SumRefusal.COMMITTEE: "a contribution is shared to another committee",
    SumRefusal.DIMENSION: "a contribution has another number of coordinates",
    SumRefusal.OWN_CONTRIBUTION: "the set holds another contribution of this store than the one it sent",
    SumRefusal.BOX_COUNT: "a contribution has not one box for each committee member",
    SumRefusal.BOX_SIZE: "a box or the share inside has the wrong size",
    SumRefusal.BOX_DIGEST: "a box is not the one whose digest its contributor signed",
    SumRefusal.LOW_ORDER_KEY: "a contribution has a key of low order",
    SumRefusal.BOX_SEAL: "a box does not open",
    SumRefusal.SHARE_RANGE: "a value is outside the field",
    SumRefusal.NOT_ON_COMMITTEE: "an answer comes from a member who has no seat on the committee",
    SumRefusal.MEMBER_SIGNATURE: "a committee member did not sign its answer",
    SumRefusal.OTHER_SET: "an answer is for another set than the announced one",
    SumRefusal.REPEATED_ANSWER: "a committee member gave two different answers",
    SumRefusal.ANSWER_SIZE: "an answer has the wrong size",
    SumRefusal.UNAVAILABLE: "the store cannot answer now",
    SumRefusal.FEW_AGREEMENTS: "too few committee members agreed to the set",
    SumRefusal.REPEATED_AGREEMENT: "a committee member's agreement comes twice",
    SumRefusal.AGREEMENT_SEAT: "an agreement comes from a member who has no seat on the committee",
    SumRefusal.AGREEMENT_SIGNATURE: "a committee member did not sign its agreement",
    SumRefusal.AGREEMENT_REQUEST: "an agreement belongs to another request",
    SumRefusal.AGREEMENT_COMMITTEE: "an agreement is of another committee",
    SumRefusal.AGREEMENT_SET: "an agreement is to another set than the announced one",
    SumRefusal.INSPECTION: "an inspection is not of a committee member, of this round and of these boxes",
    SumRefusal.FEW_ANSWERS: "a sum is shown with too few of the committee's answers to be believed",
    SumRefusal.CONTRADICTION: "the answers a sum is shown with contradict each other",
}


class SecureSumError(PrivacyError):
    """Root of the errors of the secure sum."""


class SumRefusedError(SecureSumError):
    """Something that arrived is refused; nothing was computed from it and nothing may be sent for it.

    Attributes:
        code: the reason, the only part of it that may travel.
    """

    def __init__(self, code: SumRefusal) -> None:
        super().__init__(f"Refused in the secure sum: {_FACTS[code]}.")
        self.code = code


class InvalidTermsError(SecureSumError):
    """Committee terms under which the sum would not be secret, or could never be opened."""


class InvalidRoundError(SecureSumError):
    """Members, a committee or a round are described by values that cannot be theirs."""


class InvalidVectorError(SecureSumError):
    """A vector to be summed has another shape or type than the round's, or a value outside the field."""


class OpeningStateError(SecureSumError):
    """A step of the opening was taken out of order: contributions, one set, agreements, answers."""


class BelowFloorError(SecureSumError):
    """Too few contributions that can be used to announce a set; the committee would refuse it.

    Attributes:
        missing: how many more contributions are needed.
    """

    def __init__(self, *, contributions: int, floor: int) -> None:
        super().__init__(
            f"{contributions} contributions to the round can be used, fewer than the floor of {floor}; "
            "no set was announced.",
            next_step="Wait for more contributions, or let the round lapse.",
        )
        self.missing = floor - contributions


class MissingAgreementsError(SecureSumError):
    """Too few committee members have agreed to the set for any of them to give its share of the sum.

    Attributes:
        missing: how many more agreements are needed.
    """

    def __init__(self, *, agreements: int, threshold: int) -> None:
        super().__init__(
            f"{agreements} committee members agreed to the set; {threshold} must before one will answer.",
            next_step="Wait for more agreements.",
        )
        self.missing = threshold - agreements


class MissingAnswersError(SecureSumError):
    """Too few committee members have answered for the sum to be opened.

    Attributes:
        missing: how many more answers are needed.
    """

    def __init__(self, *, answers: int, threshold: int) -> None:
        super().__init__(
            f"{answers} committee members answered for the set; {threshold} are needed to open the sum.",
            next_step="Wait for more answers.",
        )
        self.missing = threshold - answers


class InconsistentAnswersError(SecureSumError):
    """The answers contradict each other: a member answered wrongly, or a contribution was no true sharing.

    Attributes:
        missing: how many more answers would single out one wrong one more than so far; 0 when no member is
            left who could give them, and the round has failed.
    """

    def __init__(self, *, answers: int, missing: int) -> None:
        super().__init__(
            f"The {answers} answers for the set contradict each other; the sum was not opened.",
            next_step=(
                f"Wait for {missing} more answers: they may show which one is wrong."
                if missing
                else "The round has failed; open a new one."
            ),
        )
        self.missing = missing
