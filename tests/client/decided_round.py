"""A desk that decides on rounds of a made-up co-op, with a till that says what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedUse
from highstreet.audit.charter import Charter
from highstreet.audit.limits import StoreLimits
from highstreet.audit.requests import open_reply
from highstreet.client.errors import RoundRefusedError
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement, AskedRound
from highstreet.client.rounds import RoundDesk
from highstreet.protos.rounds_pb2 import REFUSAL_REPEATED, RoundReply, RoundRequest
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    KEYS,
    LIMITS,
    ME,
    NOW,
    PLAN,
    PROGRAMME,
    contribute_message,
    find_roster,
)

#: A day that the store has not first seen for the programme.
ANOTHER_DAY = NOW // 86_400 - 7
USE = AttestedUse(cohort=b"h" * 32, consent=b"k" * 32, policy_sha256=b"p" * 32, epsilon=0.5, delta=1e-5)
VALUES = np.arange(PLAN.phases[0].dimension, dtype=np.int64)


@dataclass
class Till:
    """Remembers what it was asked to pay for; answers the same request with the same bytes."""

    taken: list[AskedRound] = field(default_factory=list)
    replies: dict[bytes, bytes] = field(default_factory=dict)
    sets: dict[bytes, bytes] = field(default_factory=dict)
    refuse_with: Exception | None = None

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        if self.replies and sha256 not in self.replies:
            raise RoundRefusedError(REFUSAL_REPEATED, "it was asked for before by another request")
        return self.replies.get(sha256)

    def agreed_set(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        return self.sets.get(sha256)

    def agree(self, request: RoundRequest, sha256: bytes, set_sha256: bytes) -> None:
        self.sets[sha256] = set_sha256

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64], AttestedUse], bytes]) -> bytes:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.taken.append(asked)
        self.replies[asked.sha256] = seal(np.resize(VALUES, asked.phase.dimension), USE)
        return self.replies[asked.sha256]


def desk_of(
    till: Till,
    *,
    limits: StoreLimits = LIMITS,
    now: float = NOW,
    charter: Charter = CHARTER,
    find: Callable[[bytes, Collection[str], int], CountedRoster | None] = find_roster,
) -> RoundDesk:
    agreement = Agreement(
        member_id=ME,
        coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
        charter=charter,
        limits=limits,
        find_roster=find,
        holds_to_day=lambda programme_id, day: (programme_id, day) != (PROGRAMME, ANOTHER_DAY),
    )
    return RoundDesk(agreement, keys=KEYS[ME], till=till, clock=lambda: now)


def ask_desk(desk: RoundDesk, request: RoundRequest, key: Ed25519PrivateKey = COORDINATOR) -> RoundReply:
    return opened_answer(desk.answer(contribute_message(request, key=key)))


def opened_answer(answer: RoundAnswer) -> RoundReply:
    reply = open_reply(answer.body, member_public_key=KEYS[ME].signing.public_key().public_bytes_raw())
    assert (answer.refusal or 0) == reply.refusal
    return reply
