"""A store on the committee of a round that all others have played up to one announced set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from highstreet.audit.charter import Charter
from highstreet.audit.requests import open_reply
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.till import StoreTill
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.secure_sum import CommitteeSeat, MadeContribution, Opening, RoundContext, SumRefusal
from highstreet.protos.rounds_pb2 import RoundReply, RoundRequest
from highstreet.protos.secure_sum_pb2 import SignedSumAgreement, SignedSumAnswer, SumAgreement, SumAnswer
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    IDS,
    KEYS,
    LIMITS,
    ME,
    NOW,
    PLAN,
    agree_message,
    context_of,
    contribute_message,
    contribution_of,
    find_roster,
    open_message,
    opening_of,
    round_request,
)

BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=365)
TODAY = date(2027, 1, 15)


class Store:
    """The store under test: its own vault and ledger on disk, the desk before them."""

    def __init__(self, home: StoreHome) -> None:
        self.home = home
        self.ledger = Ledger.open(home.ledger)

    def restart(self) -> None:
        """As after a crash: nothing is left but what is on the disk."""
        self.ledger.close()
        self.ledger = Ledger.open(self.home.ledger)

    def answer(self, body: bytes, *, now: float = NOW, charter: Charter = CHARTER) -> RoundAnswer:
        return self.desk(now=now, charter=charter).answer(body)

    def desk(self, *, now: float = NOW, charter: Charter = CHARTER) -> RoundDesk:
        till = StoreTill(
            home=self.home,
            ledger=self.ledger,
            plan=PLAN,
            terms=charter.privacy,
            limits=SpendingLimits(budget=BUDGET),
            today=lambda: TODAY,
        )
        agreement = Agreement(
            member_id=ME,
            coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
            charter=charter,
            limits=LIMITS,
            find_roster=find_roster,
            holds_to_day=lambda programme_id, day: True,
        )
        return RoundDesk(agreement, keys=KEYS[ME], till=till, clock=lambda: now)

    def contribute(self, request: RoundRequest) -> bytes:
        reply = reply_in(self.answer(contribute_message(request)))
        assert reply.WhichOneof("outcome") == "contribution"
        return reply.contribution

    def rounds_paid_for(self) -> int:
        return self.ledger.spending(BUDGET, today=TODAY).rounds


@dataclass
class Played:
    """A round in which everybody has contributed and one set was announced."""

    request: RoundRequest
    context: RoundContext
    made: dict[str, MadeContribution]
    opening: Opening

    def others(self) -> list[str]:
        return [each.member_id for each in self.context.committee.members if each.member_id != ME]

    def seat(self, member_id: str) -> CommitteeSeat:
        own = self.made.get(member_id)
        return CommitteeSeat(
            context=self.context,
            member_id=member_id,
            own_header_sha256=None if own is None else own.header_sha256,
        )

    def agree(self) -> None:
        """All other members of the committee agree."""
        for one in self.others():
            prepared = self.seat(one).agree(self.opening.agreement_request(one), KEYS[one])
            self.opening.add_agreement(prepared.release(lambda set_sha256: None))

    def share(self) -> None:
        """All other members of the committee give their share of the sum."""
        for one in self.others():
            prepared = self.seat(one).prepare(self.opening.sum_request(one), KEYS[one])
            self.opening.add_answer(prepared.release(lambda set_sha256: None))

    def agree_body(self, opening: Opening | None = None) -> bytes:
        return agree_message(self.request, (opening or self.opening).agreement_request(ME))

    def open_body(self, opening: Opening | None = None) -> bytes:
        return open_message(self.request, (opening or self.opening).sum_request(ME))

    def another_set(self, without: str = IDS[1]) -> Opening:
        """The same less one: their difference would be one store's numbers."""
        bodies = {one: made.body for one, made in self.made.items() if one != without}
        bodies |= {ME: self.own} if self.own else {}
        return opening_of(self.context, bodies)

    own: bytes = b""


def played_round(store: Store | None, *, request: RoundRequest | None = None) -> Played:
    """Play a round up to the announcement, with the store's own contribution or of the others alone."""
    asked = request or round_request()
    context = context_of(asked)
    made = {one: contribution_of(context, one) for one in IDS[1:]}
    own = store.contribute(asked) if store else b""
    bodies = {one: each.body for one, each in made.items()} | ({ME: own} if own else {})
    return Played(asked, context, made, opening_of(context, bodies), own)


def reply_in(answer: RoundAnswer) -> RoundReply:
    return open_reply(answer.body, member_public_key=KEYS[ME].signing.public_key().public_bytes_raw())


def refused_on_committee(answer: RoundAnswer) -> SumRefusal:
    """The signed code in an answer, which says nothing else."""
    assert answer.is_refused
    if answer.step is Step.AGREEMENT:
        said = SumAgreement.FromString(SignedSumAgreement.FromString(answer.body).agreement)
        assert said.set_sha256 == b""
        code = SumRefusal(said.refusal)
    else:
        given = SumAnswer.FromString(SignedSumAnswer.FromString(answer.body).answer)
        assert given.values == b""
        code = SumRefusal(given.refusal)
    assert answer.sum_refusal == code
    return code
