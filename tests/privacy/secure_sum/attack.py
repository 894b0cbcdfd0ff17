"""A round, one seat in it, and a coordinator who may sign what it likes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum import SumRefusedError
from highstreet.privacy.secure_sum.agreement import signed_agreement
from highstreet.privacy.secure_sum.announced_set import announcement, set_sha256
from highstreet.privacy.secure_sum.contribution import Header
from highstreet.privacy.secure_sum.sealing import seal
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    ContributionHeader,
    SignedSumAgreement,
    SumAgreement,
    SumAgreementRequest,
    SumEntry,
    SumHeader,
    SumRequest,
)


@dataclass
class Attack:
    """A round, its honest contributions, one seat, and a coordinator who may sign what it likes."""

    made_up: object
    coordinator_key: object
    make_round: Callable[..., object]
    position: int = 1
    stage: str = "answer"

    def __post_init__(self):
        self.made = self.made_up.contributions()
        self.member_id = self.made_up.seats[self.position - 1]
        self.others = [one for one in self.made_up.ids if one != self.member_id]

    @property
    def seat(self):
        return self.made_up.seat(self.member_id, self.made)

    def entry(self, body, position=None):
        message = Contribution.FromString(body)
        box = message.boxes[(position or self.position) - 1]
        return SumEntry(header=message.header, signature=message.signature, box=box)

    def entries(self):
        return [self.entry(made.body) for made in self.made.values()]

    def request(self, entries=None, *, key=None, agreements=None, **changes):
        """What the coordinator asks in this stage: to agree, or with agreements of t members to answer."""
        entries = self.entries() if entries is None else entries
        request_sha256 = self.made_up.context.request_sha256
        announced = self.hash_of(entries)
        signed = announcement(request_sha256, self.member_id, announced)
        fields = {"format_version": 1, "request_sha256": request_sha256, "member_id": self.member_id}
        if self.stage == "agree":
            message, kind = SumAgreementRequest, Signed.SUM_AGREEMENT_REQUEST
            fields["headers"] = [SumHeader(header=one.header, signature=one.signature) for one in entries]
        else:
            message, kind = SumRequest, Signed.SUM_REQUEST
            fields["entries"] = entries
            fields["agreements"] = self.agreements(announced) if agreements is None else agreements
        fields["signature"] = sign(kind, signed, key or self.coordinator_key)
        return message(**{**fields, **changes}).SerializeToString()

    def hash_of(self, entries):
        return set_sha256(hashlib.sha256(entry.header).digest() for entry in entries)

    def agreement(self, one, announced, *, signer=None, **changes):
        """An agreement in a member's name, changed and signed by whoever."""
        keys = self.made_up.keys
        body = signed_agreement(self.made_up.context, one, keys[signer or one].signing, announced)
        message = SumAgreement.FromString(SignedSumAgreement.FromString(body).agreement)
        for name, value in changes.items():
            setattr(message, name, value)
        content = message.SerializeToString(deterministic=True)
        return SignedSumAgreement(
            agreement=content, signature=sign(Signed.SUM_AGREEMENT, content, keys[signer or one].signing)
        )

    def agreements(self, announced, count=None):
        """Of the first t seats, this one's among them: it agrees to whatever the coordinator likes."""
        count = self.made_up.committee.threshold if count is None else count
        return [self.agreement(one, announced) for one in self.made_up.seats[:count]]

    def with_last_agreement(self, change):
        """The request for all contributors, the last of its t agreements replaced by another."""
        announced = self.hash_of(self.entries())
        last = self.made_up.seats[self.made_up.committee.threshold - 1]
        return self.request(agreements=[*self.agreements(announced)[:-1], change(last, announced)])

    def replacing_one(self, entry):
        """The entries, one other contributor's replaced."""
        return self.request([entry, *self.entries_without(self.others[0])])

    def entries_without(self, *left_out):
        return [self.entry(made.body) for one, made in self.made.items() if one not in left_out]

    def forged(self, *, signer=None, box=None, **changes):
        """A contribution whose contributor lies: header fields, or its box for this seat, are others."""
        one = self.others[0]
        message = Contribution.FromString(self.made[one].body)
        header = ContributionHeader.FromString(message.header)
        for name, value in changes.items():
            setattr(header, name, value)
        if box is not None:
            header.box_sha256[self.position - 1] = hashlib.sha256(box).digest()
            message.boxes[self.position - 1] = box
        content = header.SerializeToString(deterministic=True)
        signature = sign(Signed.CONTRIBUTION, content, self.made_up.keys[signer or one].signing)
        return SumEntry(header=content, signature=signature, box=message.boxes[self.position - 1])

    def sealed(self, share, *, position=None, for_position=None):
        """A box by a lying contributor: any share, sealed for any position."""
        one = self.others[0]
        ephemeral = X25519PrivateKey.from_private_bytes(bytes([8]) * 32)
        header = ContributionHeader.FromString(Contribution.FromString(self.made[one].body).header)
        header.ephemeral_public_key = ephemeral.public_key().public_bytes_raw()
        del header.box_sha256[:]
        label = Header(
            contributor_id=one,
            sha256=b"",
            ephemeral_public_key=header.ephemeral_public_key,
            box_sha256=(),
            fixed=header.SerializeToString(deterministic=True),
        ).box_label(self.made_up.context, for_position or self.position)
        box = seal(share, label, ephemeral_key=ephemeral)
        return self.forged(box=box, ephemeral_public_key=header.ephemeral_public_key)

    def prepare(self, request, seat=None):
        seat = seat or self.seat
        step = seat.agree if self.stage == "agree" else seat.prepare
        return step(request, self.made_up.keys[self.member_id])

    def code(self, sum_request, seat=None):
        with pytest.raises(SumRefusedError) as refused:
            self.prepare(sum_request, seat)
        return refused.value.code


def asked_to_agree(attack, entries=None):
    attack.stage = "agree"
    request = attack.request(entries)
    attack.stage = "answer"
    return request
