"""The store's decision on a round: every reason to refuse is looked for before anything is spent.

Nothing that arrives can relax what the store accepted when it joined or what its owner set in store.toml. A
refusal is a code from a closed list and depends on the request and on the ledger, never on a customer's
purchases.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from highstreet.audit.charter import Charter
from highstreet.audit.errors import SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.limits import StoreLimits
from highstreet.audit.requests import (
    FORMAT_VERSION,
    MESSAGE_LIMIT_BYTES,
    open_request,
    refuse_odd_sizes,
    release_spec,
    request_sha256,
    seal_reply,
)
from highstreet.client.errors import RoundRefusedError
from highstreet.models.errors import ModelsError
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import check_state, initial_state
from highstreet.models.state import SharedState, StateLimits
from highstreet.protos.rounds_pb2 import (
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_RELEASE,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    RefusalCode,
    RoundReply,
    RoundRequest,
    SignedRequest,
)

__all__ = ["Agreement", "AskedRound", "RoundDesk", "Till", "examine"]

_CLOCK_SKEW_SECONDS = 300
_SECONDS_A_DAY = 86_400
_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What this store accepted when it joined, and its owner's limits.

    Attributes:
        member_id: this store's name in the co-op. coordinator_public_key: raw Ed25519; its hash came with
        the invitation. charter: as signed and accepted. limits: the store's own; not from outside.
        knows_roster: whether a hash names a roster signed by the coordinator, the newest one asked for if
        need be.
        holds_to_day: whether a day is the one this store first saw for a programme; a first one is written
        down before it answers.
    """

    member_id: str
    coordinator_public_key: bytes
    charter: Charter
    limits: StoreLimits
    knows_roster: Callable[[bytes], bool]
    holds_to_day: Callable[[str, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRound:
    """A request that was found in order.

    Attributes:
        request: as signed by the coordinator.
        sha256: the hash that names it.
        phase: the charter's plan for it; the request asks exactly this.
        state: the model state it brought.
    """

    request: RoundRequest
    sha256: bytes
    phase: PhasePlan
    state: SharedState


class Till(Protocol):
    """Where a round is paid for and computed: ledger, consent desk and training, in this order."""

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the reply given to this very request before, None when there is none.

        Raises:
            RoundRefusedError: this phase was opened for another request.
        """

    def take(self, asked: AskedRound, seal: Callable[[bytes], bytes]) -> bytes:
        """Spend durably, compute the noised integers, seal them, keep the reply durably, return it.

        Raises:
            RoundRefusedError: the budget does not allow it.
        """


class RoundDesk:
    """Answers round messages with signed replies.

    Args:
        agreement: what was accepted.
        key: the store's signing key.
        till: pays for rounds and computes them.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        agreement: Agreement,
        *,
        key: Ed25519PrivateKey,
        till: Till,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._agreement = agreement
        self._key = key
        self._till = till
        self._clock = clock

    def answer(self, body: bytes) -> bytes:
        """Return the signed reply to a round message: the same one whenever the same message comes.

        Every failure is a refusal. Its reason is logged by name; no error text, and nothing computed from
        data, goes into the reply.
        """
        sha256, request = b"", None
        try:
            signed = _parse(body)
            sha256 = request_sha256(signed)
            request = _read(signed, self._agreement)
            return self._answer(request, sha256)
        except RoundRefusedError as error:
            code = error.code
            _LOG.info("a round was refused: %s", error.what)
        except Exception as error:  # noqa: BLE001 - the program's top: an unknown failure is "not now"
            code = REFUSAL_UNAVAILABLE
            _LOG.error("a round could not be answered: %s", type(error).__name__)
        return self._seal(self._reply(request, sha256, refusal=code))

    def _answer(self, request: RoundRequest, sha256: bytes) -> bytes:
        given = self._till.given(request, sha256)
        if given is not None:
            return given
        asked = examine(request, sha256, self._agreement, now=self._clock())
        reply = self._till.take(asked, lambda values: self._seal(self._reply(request, sha256, values=values)))
        _LOG.info("round %s (%s) was answered", request.round, request.phase)
        return reply

    def _reply(
        self,
        request: RoundRequest | None,
        sha256: bytes,
        *,
        values: bytes | None = None,
        refusal: RefusalCode | None = None,
    ) -> RoundReply:
        reply = RoundReply(
            format_version=FORMAT_VERSION,
            coop_id=self._agreement.charter.coop.id,
            request_sha256=sha256,
            member_id=self._agreement.member_id,
            values=values,
            refusal=refusal,
        )
        if request is not None:
            reply.programme_id, reply.round = request.programme_id, request.round
        return reply

    def _seal(self, reply: RoundReply) -> bytes:
        return seal_reply(reply, self._key)


def examine(request: RoundRequest, sha256: bytes, agreement: Agreement, *, now: float) -> AskedRound:
    """Return the round when the request asks exactly what the charter says and the store allows.

    Raises:
        RoundRefusedError: with the first reason found, in the order of `RefusalCode`.
    """
    charter = agreement.charter
    _require(request.charter_sha256 == charter.sha256(), REFUSAL_CHARTER, "another charter")
    schema = bytes.fromhex(charter.plan.schema.sha256())
    _require(request.schema_sha256 == schema, REFUSAL_CHARTER, "another feature schema")
    _require(agreement.knows_roster(request.roster_sha256), REFUSAL_CHARTER, "an unknown roster")
    phase = _planned_phase(request, agreement)
    state = _announced_state(request, agreement)
    _require(now <= request.deadline_unix_seconds, REFUSAL_DEADLINE, "its deadline has passed")
    opened = request.opened_unix_seconds
    _require(opened <= now + _CLOCK_SKEW_SECONDS, REFUSAL_DEADLINE, "it was opened in the future")
    tomorrow = now // _SECONDS_A_DAY + 1
    _require(0 <= request.as_of_day <= tomorrow, REFUSAL_RELEASE, "it asks for purchases to come, or none")
    length = request.deadline_unix_seconds - opened
    _require(length == charter.rounds.deadline_seconds, REFUSAL_DEADLINE, "it has another deadline")
    same_day = agreement.holds_to_day(request.programme_id, request.as_of_day)
    _require(same_day, REFUSAL_RELEASE, "its programme began with another day")
    return AskedRound(request=request, sha256=sha256, phase=phase, state=state)


def _parse(body: bytes) -> SignedRequest:
    _require(0 < len(body) <= MESSAGE_LIMIT_BYTES, REFUSAL_UNREADABLE, "its size is not one of a request")
    try:
        return SignedRequest.FromString(body)
    except DecodeError as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error


def _read(signed: SignedRequest, agreement: Agreement) -> RoundRequest:
    """Return the request when it is the coordinator's, of a version spoken here, for this co-op."""
    try:
        request = open_request(signed, coordinator_public_key=agreement.coordinator_public_key)
        _require(request.format_version == FORMAT_VERSION, REFUSAL_VERSION, "another format version")
        refuse_odd_sizes(request)
    except SignatureMismatchError as error:
        raise RoundRefusedError(REFUSAL_SIGNATURE, "it is not signed by the coordinator") from error
    except UnreadableDocumentError as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error
    _require(request.coop_id == agreement.charter.coop.id, REFUSAL_WRONG_COOP, "another co-op")
    return request


def _planned_phase(request: RoundRequest, agreement: Agreement) -> PhasePlan:
    """Return the charter's phase when the request announces its very release, within the store's limits."""
    charter, limits = agreement.charter, agreement.limits
    phases = charter.plan.phases
    _require(request.round < min(len(phases), limits.max_phases), REFUSAL_RELEASE, "no such phase")
    phase = phases[request.round]
    _require(request.phase == phase.name, REFUSAL_RELEASE, "the phase has another name")
    _require(phase.dimension <= limits.max_dimension, REFUSAL_RELEASE, "more numbers than allowed here")
    _require(request.release == release_spec(phase), REFUSAL_RELEASE, "another release than the charter's")
    floor = max(charter.rounds.cohort_floor, limits.min_cohort_floor)
    _require(request.cohort_floor >= floor, REFUSAL_RELEASE, "a cohort floor that is too low")
    return phase


def _announced_state(request: RoundRequest, agreement: Agreement) -> SharedState:
    """Return the state when it is the announced one and can be: the first one is public and known."""
    plan = agreement.charter.plan
    try:
        state = SharedState.from_bytes(
            request.state, StateLimits(payload_bytes=agreement.limits.max_state_bytes)
        )
        check_state(plan, state, phases_done=request.round)
    except ModelsError as error:
        raise RoundRefusedError(REFUSAL_STATE, "its state cannot be used") from error
    _require(bytes.fromhex(state.sha256()) == request.state_sha256, REFUSAL_STATE, "its state is another")
    if request.round == 0:
        first = initial_state(plan)
        _require(state.sha256() == first.sha256(), REFUSAL_STATE, "it does not begin at the beginning")
    return state


def _require(holds: bool, code: RefusalCode, reason: str) -> None:
    if not holds:
        raise RoundRefusedError(code, reason)
