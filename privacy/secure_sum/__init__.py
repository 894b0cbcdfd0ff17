"""The secure sum: a coordinator learns the stores' sum and no more. Pure. See docs/secure-sum.md."""

from highstreet.privacy.secure_sum.contribution import (
    MadeContribution,
    OpenedContribution,
    contribute,
    open_contribution,
)
from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.evidence import ReadSum, read_evidence, sum_evidence
from highstreet.privacy.secure_sum.inspections import Inspections
from highstreet.privacy.secure_sum.judgement import Judgement, judge
from highstreet.privacy.secure_sum.member import CommitteeSeat, MemberKeys, PreparedReply
from highstreet.privacy.secure_sum.opening import OpenedSum, Opening
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.terms import (
    Committee,
    CommitteeTerms,
    CountedMembers,
    Member,
    choose_committee,
)

__all__ = [
    "Committee",
    "CommitteeSeat",
    "CommitteeTerms",
    "CountedMembers",
    "Inspections",
    "Judgement",
    "MadeContribution",
    "Member",
    "MemberKeys",
    "OpenedContribution",
    "OpenedSum",
    "Opening",
    "PreparedReply",
    "ReadSum",
    "RoundContext",
    "SumRefusal",
    "SumRefusedError",
    "choose_committee",
    "contribute",
    "judge",
    "open_contribution",
    "read_evidence",
    "sum_evidence",
]
