"""A co-op played with real keys: a coordinator's database, and stores that take part in real secure sums.

What a store sums up is made up; what it sends, agrees to and answers is the secure sum's own. Each store does
what it is told at each step, one word per message, the last one again and again:

- `ok`: what a sound store does. `late`: the same, a minute later. `leaves`: the same, then it is offline.
- `lost`: nothing comes back. `error`: the carrier gives up. `vanishes`: it is offline from here on.
- `garbage`: bytes that are none. `unavailable`, `refuses`: a signed no, for now and for good.
- contributions: `unattested`: without its attestation. `misattested`: with that of other bytes.
  `selfmade`: with one that another key signed. `foreign`: another store's. `replayed`: to another request.
  `damaged`: a box is altered.
  `spoilt2`: its boxes for the first two seats do not open, though their digests are signed.
- looking through: `slanders2`: it complains of stores 1 and 2, other than itself, whatever they sent.
- the committee: `busy`: the secure sum's own no for now. `declines`: a round reply's no for good.
  `contributes`: its contribution again. `another`: what the store before it said.
- answers: `wrong`: a share that is none, properly signed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from highstreet.audit.attestation import Attestation, AttestedUse, sign_attestation
from highstreet.audit.canonical import canonical_json
from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms, RoundTerms
from highstreet.audit.requests import attested_round, mechanism_of, open_request, request_sha256, seal_reply
from highstreet.audit.roster import Roster, read_roster
from highstreet.audit.signing import SignedDocument
from highstreet.audit.sums import round_context
from highstreet.audit.vouches import sign_vouch
from highstreet.audit.withdrawals import sign_withdrawal
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.state import SharedState
from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    MemberKeys,
    RoundContext,
    SumRefusal,
    SumRefusedError,
    contribute,
)
from highstreet.privacy.secure_sum.announced_set import set_sha256
from highstreet.privacy.secure_sum.answer import signed_answer
from highstreet.privacy.secure_sum.inspection import signed_inspection
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_CHARTER,
    REFUSAL_UNAVAILABLE,
    RefusalCode,
    RoundMessage,
    RoundReply,
    RoundRequest,
    SignedReply,
    SignedRequest,
)
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    ContributionHeader,
    SignedSumAnswer,
    SumAnswer,
    SumInspectionRequest,
)
from highstreet.server.aggregation import close_phase
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect
from highstreet.server.exchange import Carried
from highstreet.server.membership import leave, roster
from highstreet.server.programme_run import ProgrammeRun
from highstreet.server.releases import Candidate
from highstreet.server.vouching import put_vouch, put_withdrawal

PROGRAMME = "00000000000000a1"
OPENED = 1_000.0
DEADLINE = 600
LATE_SECONDS = 60.0


def made_charter(*, phases: int = 1, floor: int = 3, committee: int = 6, **terms: object) -> Charter:
    """A tiny charter of the first so many phases of the default programme."""
    schema = FeatureSchema(
        key_buckets=32,
        category_buckets=8,
        product_type_buckets=8,
        brand_buckets=8,
        maker_buckets=8,
        size_buckets=8,
    )
    whole = default_plan(
        schema,
        noise_multiplier=4.0,
        gradient_rounds=1,
        params={"token_keys": 6, "token_types": 4, "token_categories": 3, "holdout_days": 14},
    )
    return Charter(
        coop=CoopIdentity(id="0" * 32, name="Tiny", created="2026-01-01"),
        purposes=(COOP_LEARNING,),
        plan=ModelPlan.from_dict({**whole.to_dict(), "phases": whole.to_dict()["phases"][:phases]}),  # type: ignore[index]  # a list
        privacy=PrivacyTerms(epsilon=3.0, delta=1e-5),
        rounds=RoundTerms(
            cohort_floor=floor,
            committee_size=committee,
            deadline_seconds=DEADLINE,
            **{"quorum": 0.5, **terms},  # type: ignore[arg-type]  # names are checked by dataclasses
        ),
    )


class CrashError(Exception):
    """The power goes off."""


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float = OPENED) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class PlayedStore:
    """A store with real keys and a memory of what it contributed and agreed to.

    Args:
        number: its node; its member id in hex.
        steps: words by step (`contribute`, `inspect`, `agree`, `open`), see above.
    """

    def __init__(self, number: int, **steps: str) -> None:
        self.number = number
        self.member_id = f"{number:016x}"
        self.signing = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"s%d" % number).digest())
        self.encryption = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"e%d" % number).digest())
        self.words = {step: words.split() for step, words in steps.items()}
        self.online = True
        self.asked: dict[tuple[int, str], list[bytes]] = defaultdict(list)
        self.said: dict[str, bytes] = {}
        self._replies: dict[bytes, bytes] = {}
        self._headers: dict[bytes, bytes] = {}
        self._agreed: dict[bytes, bytes] = {}

    @property
    def keys(self) -> MemberKeys:
        return MemberKeys(self.signing, self.encryption)

    def vector(self, sha256: bytes, dimension: int) -> NDArray[np.int64]:
        """What it adds to the sum of a request."""
        seed = int.from_bytes(hashlib.sha256(sha256 + b"%d" % self.number).digest()[:8], "big")
        return np.random.default_rng(seed).integers(-1_000_000, 1_000_000, size=dimension)

    def answer(self, body: bytes, coop: PlayedCoop) -> tuple[float, bytes | None] | None:
        """Return after how many seconds which bytes come back; None when nothing ever does."""
        message = RoundMessage.FromString(body)
        step = message.WhichOneof("step") or ""
        signed: SignedRequest = getattr(message, step).request
        request = open_request(signed, coordinator_public_key=coop.public_key)
        self.asked[request.round, step].append(body)
        words = self.words.get(step, ["ok"])
        word = words.pop(0) if len(words) > 1 else words[0]
        self.online = self.online and word not in {"vanishes", "leaves"}
        match word:
            case "lost" | "vanishes":
                return None
            case "error":
                return 0.0, None
            case "garbage":
                return 0.0, b"\x00garbage"
            case "unavailable":
                return 0.0, self._no(request, signed, REFUSAL_UNAVAILABLE)
        context = coop.context(request, signed)
        if step == "contribute":
            reply = self._contribute(context, request, signed, word, coop)
        else:
            reply = self._on_committee(context, request, signed, step, word, coop)
            if word == "ok":
                self.said[step] = reply
        return (LATE_SECONDS if word == "late" else 0.0), reply

    def _contribute(
        self, context: RoundContext, request: RoundRequest, signed: SignedRequest, word: str, coop: PlayedCoop
    ) -> bytes:
        if word == "refuses":
            return self._no(request, signed, REFUSAL_BUDGET)
        sha256 = request_sha256(signed)
        if word == "foreign":
            other = coop.stores[1 if self.number != 1 else 2]
            return self._seal(request, sha256, other._contribution(context))
        if word == "replayed":
            stranger = RoundContext(
                coop_id=context.coop_id,
                request_sha256=hashlib.sha256(b"another request").digest(),
                coordinator_public_key=context.coordinator_public_key,
                members=context.members,
                committee=context.committee,
                floor=context.floor,
                dimension=context.dimension,
            )
            return self._seal(request, sha256, self._contribution(stranger))
        contribution = self._contribution(context)
        if word == "damaged":
            altered = Contribution.FromString(contribution)
            altered.boxes[0] = bytes([altered.boxes[0][0] ^ 1]) + altered.boxes[0][1:]
            return self._seal(request, sha256, altered.SerializeToString())
        if word.startswith("spoilt"):
            contribution = self._spoilt(contribution, int(word.removeprefix("spoilt")))
        self._headers[sha256] = hashlib.sha256(Contribution.FromString(contribution).header).digest()
        if word in {"unattested", "misattested", "selfmade"}:
            return self._seal(request, sha256, contribution, word)
        return self._replies.setdefault(sha256, self._seal(request, sha256, contribution))

    def _contribution(self, context: RoundContext) -> bytes:
        """A real contribution; its secrets follow from the request, so that two runs can be compared."""
        drawn = iter(range(1_000))

        def entropy(size: int) -> bytes:
            return hashlib.sha256(context.request_sha256 + b"%d %d" % (self.number, next(drawn))).digest()[
                :size
            ]

        vector = self.vector(context.request_sha256, context.dimension)
        made = contribute(
            context, vector, member_id=self.member_id, signing_key=self.signing, entropy=entropy
        )
        return made.body

    def _spoilt(self, contribution: bytes, seats: int) -> bytes:
        """The contribution with boxes for so many seats that do not open, properly signed."""
        message = Contribution.FromString(contribution)
        header = ContributionHeader.FromString(message.header)
        for seat in range(seats):
            message.boxes[seat] = bytes(len(message.boxes[seat]))
            header.box_sha256[seat] = hashlib.sha256(message.boxes[seat]).digest()
        message.header = header.SerializeToString(deterministic=True)
        message.signature = sign(Signed.CONTRIBUTION, message.header, self.signing)
        return message.SerializeToString()

    def _inspection(self, seat: CommitteeSeat, message: bytes, word: str) -> bytes:
        if not word.startswith("slanders"):
            return seat.inspect(message, self.keys)
        slandered = {f"{number:016x}" for number in range(1, 1 + int(word.removeprefix("slanders")))}
        headers = [entry.header for entry in SumInspectionRequest.FromString(message).entries]
        bad = [
            hashlib.sha256(header).digest()
            for header in headers
            if ContributionHeader.FromString(header).contributor_id in slandered - {self.member_id}
        ]
        shown = set_sha256(hashlib.sha256(header).digest() for header in headers)
        return signed_inspection(seat.context, self.member_id, self.signing, (shown, bad))

    def _on_committee(
        self,
        context: RoundContext,
        request: RoundRequest,
        signed: SignedRequest,
        step: str,
        word: str,
        coop: PlayedCoop,
    ) -> bytes:
        match word:
            case "declines":
                return self._no(request, signed, REFUSAL_CHARTER)
            case "contributes":
                return self._replies[context.request_sha256]
            case "another":
                return coop.stores[self.number - 1].said[step]
        message = RoundMessage.FromString(self.asked[request.round, step][-1])
        return self._sit(context, step, getattr(message, step).message, word)

    def _sit(self, context: RoundContext, step: str, message: bytes, word: str) -> bytes:
        sha256 = context.request_sha256
        seat = CommitteeSeat(
            context=context,
            member_id=self.member_id,
            own_header_sha256=self._headers.get(sha256),
            agreed_set_sha256=self._agreed.get(sha256),
        )
        say_no = {
            "inspect": seat.inspection_refusal,
            "agree": seat.agreement_refusal,
            "open": seat.refusal,
        }[step]
        if word in {"refuses", "busy"}:
            code = SumRefusal.UNAVAILABLE if word == "busy" else SumRefusal.OWN_CONTRIBUTION
            return say_no(code, self.keys)
        try:
            if step == "inspect":
                return self._inspection(seat, message, word)
            prepared = (seat.agree if step == "agree" else seat.prepare)(message, self.keys)
        except SumRefusedError as error:
            return say_no(error.code, self.keys)

        def record(announced: bytes) -> None:
            self._agreed[sha256] = announced

        reply = prepared.release(record)
        if word != "wrong":
            return reply
        values = SumAnswer.FromString(SignedSumAnswer.FromString(reply).answer).values
        return signed_answer(
            context,
            self.member_id,
            self.signing,
            set_sha256=self._agreed[sha256],
            values=bytes([values[0] ^ 1]) + values[1:],
        )

    def _seal(self, request: RoundRequest, sha256: bytes, contribution: bytes, word: str = "ok") -> bytes:
        reply = _reply(request, sha256, self.member_id)
        reply.contribution = contribution
        if word != "unattested":
            signed = self._attestation(request, sha256, contribution, word)
            reply.attestation.attestation, reply.attestation.signature = signed.document, signed.signature
        return seal_reply(reply, self.signing)

    def _attestation(
        self, request: RoundRequest, sha256: bytes, contribution: bytes, word: str
    ) -> SignedDocument:
        """What a store attests; of its cohort and consents the coordinator sees hashes alone."""
        header = Contribution.FromString(contribution).header + (b"x" if word == "misattested" else b"")
        about = attested_round(
            request,
            sha256,
            member_id=self.member_id,
            contribution_sha256=hashlib.sha256(header).digest(),
        )
        own = hashlib.sha256(sha256 + b"attested %d" % self.number).digest()
        use = AttestedUse(cohort=own, consent=own[::-1], policy_sha256=bytes(32), epsilon=0.5, delta=1e-5)
        key = Ed25519PrivateKey.from_private_bytes(bytes(32)) if word == "selfmade" else self.signing
        return sign_attestation(Attestation(round=about, use=use), key)

    def _no(self, request: RoundRequest, signed: SignedRequest, code: RefusalCode) -> bytes:
        reply = _reply(request, request_sha256(signed), self.member_id)
        reply.refusal = code
        return seal_reply(reply, self.signing)


class PlayedCarrier:
    """Takes messages to the stores that are online; the power goes off after so many calls."""

    def __init__(self, coop: PlayedCoop, clock: Clock, *, calls: int = 10**9) -> None:
        self._coop = coop
        self._clock = clock
        self._sent = 0
        self._waiting: dict[str, tuple[float, bytes | None]] = {}
        self.calls = calls

    def online(self) -> Collection[int]:
        self._tick()
        return {number for number, store in self._coop.stores.items() if store.online}

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        self._tick()
        assert seconds > 0
        return [self._send(node, body) for node, body in bodies]

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        self._tick()
        here = [
            ticket
            for ticket in tickets
            if ticket in self._waiting and self._waiting[ticket][0] <= self._clock()
        ]
        return [Carried(ticket=ticket, body=self._waiting.pop(ticket)[1]) for ticket in here]

    def _send(self, node: int, body: bytes) -> str | None:
        self._sent += 1
        ticket = f"t{self._sent}"
        answer = self._coop.stores[node].answer(body, self._coop)
        if answer is not None:
            self._waiting[ticket] = (self._clock() + answer[0], answer[1])
        return ticket

    def _tick(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise CrashError


class PlayedCoop:
    """coop.db with stores that all vouch for each other, and a programme asked for."""

    def __init__(self, folder: Path, charter: Charter, stores: Iterable[PlayedStore]) -> None:
        self.charter = charter
        self.key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"coordinator").digest())
        self.public_key = self.key.public_key().public_bytes_raw()
        self.database = folder / "coop.db"
        self.stores = {store.number: store for store in stores}
        self.published: list[Candidate] = []
        self.clock = Clock()
        with closing(connect(self.database, create=True)) as connection:
            for number, store in self.stores.items():
                connection.execute(
                    "INSERT INTO members (member_id, name, signing_public_key, encryption_public_key,"
                    " node_public_key, keys_sha256, node_id, certificate_serial, certificate_pem, claimed_at,"
                    " joined_at) VALUES (?, ?, ?, ?, ?, x'00', ?, ?, x'00', 1, 1)",
                    (
                        store.member_id,
                        f"shop {number}",
                        store.signing.public_key().public_bytes_raw(),
                        store.encryption.public_key().public_bytes_raw(),
                        bytes([number]),
                        number,
                        str(number),
                    ),
                )
            connection.execute(
                "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256,"
                " as_of_day) VALUES (?, 1, 86400, 'requested', ?, 17489)",
                (PROGRAMME, charter.sha256()),
            )
        self.roster = self._roster()
        self.vouch((one, other) for one in self.stores for other in self.stores if one != other)

    def _roster(self) -> Roster:
        with closing(connect(self.database)) as connection:
            return read_roster(canonical_json(roster(connection, self.charter.coop.id)))

    def vouch(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put these vouches, and no others, on record."""
        with closing(connect(self.database)) as connection:
            connection.execute("DELETE FROM vouches")
            for voucher, subject in pairs:
                store = self.stores[voucher]
                entry = self.roster.member(self.stores[subject].member_id)
                assert entry is not None
                vouch = sign_vouch(self.charter.coop.id, store.member_id, entry, store.signing)
                connection.execute(
                    "INSERT INTO vouches (voucher, subject, signature) VALUES (?, ?, ?)",
                    (vouch.voucher_id, vouch.subject_id, vouch.signature),
                )

    def replace(self, voucher: int, newcomer: int, *, former: int) -> None:
        """Let a store say in its vouch that another is a shop that was a member before."""
        store, entry = self.stores[voucher], self.roster.member(self.stores[newcomer].member_id)
        assert entry is not None
        replaces = [self.stores[former].member_id]
        vouch = sign_vouch(self.charter.coop.id, store.member_id, entry, store.signing, replaces)
        with closing(connect(self.database)) as connection:
            put_vouch(connection, vouch, self.roster, sender=store.member_id)

    def withdraw(self, voucher: int, subject: int) -> None:
        """Let a store take its vouch for another back."""
        store, entry = self.stores[voucher], self.roster.member(self.stores[subject].member_id)
        assert entry is not None
        withdrawal = sign_withdrawal(self.charter.coop.id, store.member_id, entry, store.signing)
        with closing(connect(self.database)) as connection:
            put_withdrawal(connection, withdrawal, self.roster, sender=store.member_id)

    def leave(self, number: int) -> None:
        """End a store's membership."""
        with closing(connect(self.database)) as connection:
            leave(connection, self.stores[number].member_id, now=2)

    def context(self, request: RoundRequest, signed: SignedRequest) -> RoundContext:
        """What a store builds from its own records."""
        return round_context(
            request,
            request_sha256(signed),
            charter=self.charter,
            roster=self.roster,
            coordinator_public_key=self.public_key,
        )

    def run(
        self,
        *,
        calls: int = 10**9,
        charter: Charter | None = None,
        publish: Callable[[Candidate], None] | None = None,
    ) -> PlayedCarrier:
        """Run the programme until it is over or the power goes off."""
        used = PlayedCarrier(self, self.clock, calls=calls)
        with closing(connect(self.database)) as connection:
            programme = Checkpoints(connection).active()
            assert programme is not None
            ProgrammeRun(
                programme=programme,
                charter=charter or self.charter,
                key=self.key,
                connection=connection,
                carrier=used,
                publish=publish or self.published.append,
                clock=self.clock,
                sleep=self.clock.sleep,
            ).run()
        return used

    def ended(self) -> tuple[str, str]:
        """How the programme stands, and why."""
        row = self.rows("SELECT state, failure FROM programmes")[0]
        return str(row[0]), str(row[1])

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What is on record."""
        with closing(connect(self.database)) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def request(self, round_number: int = 0) -> tuple[RoundRequest, bytes]:
        """The request of a round as it is on record, and its hash."""
        signed = self._signed(round_number)
        return RoundRequest.FromString(signed.request), request_sha256(signed)

    def committee(self, round_number: int = 0) -> list[PlayedStore]:
        """The stores on a round's committee, seat by seat."""
        signed = self._signed(round_number)
        context = self.context(RoundRequest.FromString(signed.request), signed)
        return [self.stores[int(seat.member_id, 16)] for seat in context.committee.members]

    def _signed(self, round_number: int) -> SignedRequest:
        body = dict(self.rows("SELECT round, request FROM rounds"))[round_number]
        return SignedRequest.FromString(body)  # type: ignore[arg-type]  # a blob

    def state_after(self, contributors: Iterable[int]) -> SharedState:
        """The state after phase 0 when these contributed, by a sum that is no secure one."""
        request, sha256 = self.request()
        phase = self.charter.plan.phases[0]
        vectors = [self.stores[number].vector(sha256, phase.dimension) for number in contributors]
        return close_phase(
            self.charter.plan,
            phase,
            initial_state(self.charter.plan),
            np.sum(vectors, axis=0),
            mechanism=mechanism_of(phase, self.charter, participants=len(request.participants)),
            contributors=len(vectors),
        )


def _reply(request: RoundRequest, sha256: bytes, member_id: str) -> RoundReply:
    return RoundReply(
        format_version=1,
        coop_id=request.coop_id,
        programme_id=request.programme_id,
        round=request.round,
        request_sha256=sha256,
        member_id=member_id,
    )


def stores(count: int, **told: dict[str, str]) -> list[PlayedStore]:
    """So many sound stores, some of them told otherwise: `stores(5, s2={"agree": "vanishes"})`."""
    return [PlayedStore(number, **told.get(f"s{number}", {})) for number in range(1, count + 1)]


def contribution_of(reply: bytes) -> bytes:
    """The contribution inside a store's sealed reply."""
    return RoundReply.FromString(SignedReply.FromString(reply).reply).contribution
