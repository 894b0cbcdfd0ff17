"""A store played with real keys that takes part in real secure sums.

What it sums up is made up; what it sends, agrees to and answers is the secure sum's own. It does what it is
told at each step, one word per message, the last one again and again:

- `ok`: what a sound store does. `late`: the same, a minute later. `leaves`: the same, then it is offline.
- `lost`: nothing comes back. `error`: the carrier gives up. `vanishes`: it is offline from here on.
- `garbage`: bytes that are none. `unavailable`, `refuses`: a signed no, for now and for good.
- contributions: `unattested`: without its attestation. `misattested`: with that of other bytes.
  `selfmade`: with one that another key signed. `costless`, `overcharged`: with an epsilon that it cannot have
  spent. `hopeful`: with another delta than the charter's. `foreign`: another store's. `replayed`: to another
  request.
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
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from highstreet.audit.attestation import Attestation, AttestedUse, sign_attestation
from highstreet.audit.requests import attested_round, open_request, request_sha256, seal_reply
from highstreet.audit.signing import SignedDocument
from highstreet.privacy.accountant import epsilon
from highstreet.privacy.releases import customer_release
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
    SignedRequest,
)
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    ContributionHeader,
    SignedSumAnswer,
    SumAnswer,
    SumInspectionRequest,
)

if TYPE_CHECKING:
    from played_coop import PlayedCoop

LATE_SECONDS = 60.0

#: What a store may be told to attest that no sound store does.
_ODDLY_ATTESTED = {"unattested", "misattested", "selfmade", "costless", "overcharged", "hopeful"}


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
        if word in _ODDLY_ATTESTED:
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
        noised = customer_release(
            noise_multiplier=request.release.noise_multiplier, sampling_rate=request.release.sampling_rate
        )
        cost, delta = epsilon([noised], delta=1e-5), 1e-5
        if word == "costless":
            cost = 0.0
        elif word == "overcharged":
            cost = 3.5
        elif word == "hopeful":
            delta = 1e-6
        use = AttestedUse(cohort=own, consent=own[::-1], policy_sha256=bytes(32), epsilon=cost, delta=delta)
        key = Ed25519PrivateKey.from_private_bytes(bytes(32)) if word == "selfmade" else self.signing
        return sign_attestation(Attestation(round=about, use=use), key)

    def _no(self, request: RoundRequest, signed: SignedRequest, code: RefusalCode) -> bytes:
        reply = _reply(request, request_sha256(signed), self.member_id)
        reply.refusal = code
        return seal_reply(reply, self.signing)


def _reply(request: RoundRequest, sha256: bytes, member_id: str) -> RoundReply:
    return RoundReply(
        format_version=1,
        coop_id=request.coop_id,
        programme_id=request.programme_id,
        round=request.round,
        request_sha256=sha256,
        member_id=member_id,
    )
