"""Whether a round is what this store agreed to: every reason to refuse is looked for before anything is done.

Nothing that arrives can relax what the store accepted when it joined or what its owner set in store.toml. A
refusal is a code from a closed list and depends on the request and on the store's records, never on a
customer's purchases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from highstreet.audit.charter import Charter
from highstreet.audit.errors import CharterError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.limits import StoreLimits
from highstreet.audit.matchings import (
    TABLE_PHASE,
    refuse_impossible_matching,
    table_floor,
    table_release,
)
from highstreet.audit.requests import (
    FORMAT_VERSION,
    mechanism_of,
    open_request,
    refuse_odd_sizes,
    release_spec,
)
from highstreet.audit.sums import round_context, sum_deadline
from highstreet.client.errors import RoundRefusedError
from highstreet.client.round_members import CountedRoster
from highstreet.models.errors import ModelsError
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import check_state, initial_state
from highstreet.models.state import SharedState, StateLimits
from highstreet.privacy.errors import InvalidReleaseError, PrivacyError
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.privacy.secure_sum import RoundContext
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.protos.rounds_pb2 import (
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    RefusalCode,
    RoundRequest,
    SignedRequest,
)

__all__ = [
    "CLOCK_SKEW_SECONDS",
    "Agreement",
    "AskedRound",
    "examine_contribution",
    "examine_sum",
    "examine_table",
    "read_request",
    "require",
]

CLOCK_SKEW_SECONDS = 300
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What this store accepted when it joined, and its owner's limits.

    Attributes:
        member_id: this store's name in the co-op.
        coordinator_public_key: raw Ed25519; its hash came with the invitation.
        charter: as signed and accepted.
        limits: the store's own; not from outside.
        find_roster: the roster of a hash, signed by the coordinator, and who counts on it in a round opened
            at a time, the newest asked for if need be, also when one of the given participants does not
            count; None: not one it accepted.
        holds_to_day: whether a day is the one this store first saw for a programme; a first one is written
            down before it answers.
    """

    member_id: str
    coordinator_public_key: bytes
    charter: Charter
    limits: StoreLimits
    find_roster: Callable[[bytes, Collection[str], int], CountedRoster | None]
    holds_to_day: Callable[[str, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRound:
    """A request for a contribution that was found in order.

    Attributes:
        request: as signed by the coordinator.
        sha256: the hash that names it.
        phase: the charter's plan for it; the request asks exactly this.
        state: the model state that came with it.
        mechanism: of the phase, for so many participants.
        context: of the secure sum, from this store's own records.
    """

    request: RoundRequest
    sha256: bytes
    phase: PhasePlan
    state: SharedState
    mechanism: DistributedMechanism
    context: RoundContext


def read_request(signed: SignedRequest, agreement: Agreement) -> RoundRequest:
    """Return the request when it is the coordinator's, of a version spoken here, for this co-op.

    Raises:
        RoundRefusedError: SIGNATURE, VERSION, UNREADABLE, WRONG_COOP.
    """
    try:
        request = open_request(signed, coordinator_public_key=agreement.coordinator_public_key)
        require(request.format_version == FORMAT_VERSION, REFUSAL_VERSION, "another format version")
        refuse_odd_sizes(request)
    except SignatureMismatchError as error:
        raise RoundRefusedError(REFUSAL_SIGNATURE, "it is not signed by the coordinator") from error
    except UnreadableDocumentError as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error
    require(request.coop_id == agreement.charter.coop.id, REFUSAL_WRONG_COOP, "another co-op")
    return request


def examine_contribution(
    request: RoundRequest, sha256: bytes, state: bytes, agreement: Agreement, *, now: float
) -> AskedRound:
    """Return the round when the request asks exactly what the charter says and the store allows.

    Args:
        request: read by `read_request`.
        sha256: names it.
        state: the model state as it came.
        agreement: what was accepted.
        now: unix seconds.

    Raises:
        RoundRefusedError: with the first reason found.
    """
    known = _known_roster(request, agreement)
    phase, mechanism = _planned_phase(request, agreement)
    announced = _announced_state(request, state, agreement)
    require(now <= request.deadline_unix_seconds, REFUSAL_DEADLINE, "its deadline has passed")
    context = _context(request, sha256, known, agreement, now=now)
    return AskedRound(
        request=request, sha256=sha256, phase=phase, state=announced, mechanism=mechanism, context=context
    )


def examine_sum(request: RoundRequest, sha256: bytes, agreement: Agreement, *, now: float) -> RoundContext:
    """Return the context of a round whose sum is to be opened, contributed to by this store or not.

    Everything is looked at as for a contribution but the model state, which is not needed here; and it may
    come until `audit.sums.sum_deadline`.

    Args:
        request: read by `read_request`.
        sha256: names it.
        agreement: what was accepted.
        now: unix seconds.

    Raises:
        RoundRefusedError: with the first reason found.
    """
    known = _known_roster(request, agreement)
    if request.HasField("table"):
        _planned_table(request, agreement)
    else:
        _planned_phase(request, agreement)
    last = sum_deadline(agreement.charter, opened_at=request.opened_unix_seconds)
    require(now <= last, REFUSAL_DEADLINE, "the time to open its sum has passed")
    return _context(request, sha256, known, agreement, now=now)


def examine_table(
    request: RoundRequest, sha256: bytes, agreement: Agreement, *, now: float, contributes: bool
) -> RoundContext:
    """Return the context of the sum of a matching's tables; of which matching is still to be looked at.

    Args:
        request: read by `read_request`.
        sha256: names it.
        agreement: what was accepted.
        now: unix seconds.
        contributes: whether this store's table is asked for, which has to be in time.

    Raises:
        RoundRefusedError: with the first reason found.
    """
    require(request.HasField("table"), REFUSAL_RELEASE, "it sums no tables")
    if contributes:
        require(now <= request.deadline_unix_seconds, REFUSAL_DEADLINE, "its deadline has passed")
    known = _known_roster(request, agreement)
    _planned_table(request, agreement)
    return _context(request, sha256, known, agreement, now=now)


def require(holds: bool, code: RefusalCode, reason: str) -> None:
    """Return when something holds.

    Raises:
        RoundRefusedError: it does not; with the code, and with a reason for this shop's own log.
    """
    if not holds:
        raise RoundRefusedError(code, reason)


def _known_roster(request: RoundRequest, agreement: Agreement) -> CountedRoster:
    charter = agreement.charter
    require(request.charter_sha256 == charter.sha256(), REFUSAL_CHARTER, "another charter")
    schema = bytes.fromhex(charter.plan.schema.sha256())
    require(request.schema_sha256 == schema, REFUSAL_CHARTER, "another feature schema")
    known = agreement.find_roster(request.roster_sha256, request.participants, request.opened_unix_seconds)
    if known is None:
        raise RoundRefusedError(REFUSAL_CHARTER, "an unknown roster")
    return known


def _planned_phase(request: RoundRequest, agreement: Agreement) -> tuple[PhasePlan, DistributedMechanism]:
    """Return the charter's phase when the request announces its very release, within the store's limits."""
    charter, limits = agreement.charter, agreement.limits
    phases, participants = charter.plan.phases, len(request.participants)
    require(request.round < min(len(phases), limits.max_phases), REFUSAL_RELEASE, "no such phase")
    require(not request.HasField("table"), REFUSAL_RELEASE, "it is a matching's")
    phase = phases[request.round]
    require(request.phase == phase.name, REFUSAL_RELEASE, "the phase has another name")
    require(phase.dimension <= limits.max_dimension, REFUSAL_RELEASE, "more numbers than allowed here")
    floor = charter.rounds.cohort_floor
    require(request.cohort_floor == floor, REFUSAL_RELEASE, "another cohort floor than the charter's")
    require(floor >= limits.min_cohort_floor, REFUSAL_RELEASE, "a cohort floor that is too low")
    require(participants >= floor, REFUSAL_RELEASE, "fewer participants than the cohort floor")
    by_count = charter.privacy.weighting is Weighting.ONE_OVER_SHOPS
    names_table = bool(request.matching_table_sha256)
    require(names_table == by_count, REFUSAL_RELEASE, "it names a matching against the charter, or none")
    for_persons = charter.privacy.privacy_unit is PrivacyUnit.PERSON
    require(for_persons or not limits.require_person_unit, REFUSAL_RELEASE, "it is not about persons")
    try:
        mechanism = mechanism_of(phase, charter, participants=participants)
        release = release_spec(phase, charter, participants=participants)
    except InvalidReleaseError as error:
        raise RoundRefusedError(REFUSAL_RELEASE, "there is no such sum of so many stores") from error
    require(request.release == release, REFUSAL_RELEASE, "another release than the charter's")
    return phase, mechanism


def _planned_table(request: RoundRequest, agreement: Agreement) -> None:
    """Return only when the request asks for the tables of a matching as the charter holds them."""
    charter, limits = agreement.charter, agreement.limits
    participants = len(request.participants)
    is_table = (request.round, request.phase) == (0, TABLE_PHASE)
    require(is_table, REFUSAL_RELEASE, "the phase of a table has another name")
    require(not request.matching_table_sha256, REFUSAL_RELEASE, "a table takes no counts")
    floor = table_floor(charter, participants=participants)
    require(request.cohort_floor == floor, REFUSAL_RELEASE, "another cohort floor than a matching's")
    require(floor >= limits.min_cohort_floor, REFUSAL_RELEASE, "a cohort floor that is too low")
    try:
        refuse_impossible_matching(charter, participants=participants)
        release = table_release(charter, participants=participants)
    except (CharterError, PrivacyError) as error:
        raise RoundRefusedError(REFUSAL_RELEASE, "there is no matching of so many stores") from error
    require(release.dimension <= limits.max_dimension, REFUSAL_RELEASE, "more numbers than allowed here")
    require(request.release == release, REFUSAL_RELEASE, "another table than the charter's")


def _announced_state(request: RoundRequest, body: bytes, agreement: Agreement) -> SharedState:
    """Return the state when it is the announced one and can be: the first one is public and known."""
    plan = agreement.charter.plan
    try:
        state = SharedState.from_bytes(body, StateLimits(payload_bytes=agreement.limits.max_state_bytes))
        check_state(plan, state, phases_done=request.round)
    except ModelsError as error:
        raise RoundRefusedError(REFUSAL_STATE, "its state cannot be used") from error
    require(bytes.fromhex(state.sha256()) == request.state_sha256, REFUSAL_STATE, "its state is another")
    if request.round == 0:
        first = initial_state(plan)
        require(state.sha256() == first.sha256(), REFUSAL_STATE, "it does not begin at the beginning")
    return state


def _context(
    request: RoundRequest, sha256: bytes, known: CountedRoster, agreement: Agreement, *, now: float
) -> RoundContext:
    """Return the round's secure sum when its dates are in order and every participant counts here."""
    opened = request.opened_unix_seconds
    require(opened <= now + CLOCK_SKEW_SECONDS, REFUSAL_DEADLINE, "it was opened in the future")
    length = request.deadline_unix_seconds - opened
    planned = agreement.charter.rounds.deadline_seconds
    require(length == planned, REFUSAL_DEADLINE, "it has another deadline")
    takes_part = agreement.member_id in request.participants
    require(takes_part, REFUSAL_PARTICIPANTS, "this store is not one of its participants")
    count = known.counted.issuperset(request.participants)
    require(count, REFUSAL_PARTICIPANTS, "one of its participants does not count here")
    tomorrow = now // _SECONDS_A_DAY + 1
    require(0 <= request.as_of_day <= tomorrow, REFUSAL_RELEASE, "it asks for purchases to come, or none")
    same_day = agreement.holds_to_day(request.programme_id, request.as_of_day)
    require(same_day, REFUSAL_RELEASE, "its programme began with another day")
    try:
        return round_context(
            request,
            sha256,
            charter=agreement.charter,
            roster=known.roster,
            coordinator_public_key=agreement.coordinator_public_key,
        )
    except PrivacyError as error:
        raise RoundRefusedError(REFUSAL_PARTICIPANTS, "its participants cannot hold a secure sum") from error
