"""Whether a matching is what this store agreed to: looked at before anything is drawn, begun or sent.

As with rounds, nothing that arrives can relax what the store accepted or what its owner set, and a refusal
depends on the request and on the store's records, never on a customer.
"""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.audit.charter import MatchingTerms
from highstreet.audit.errors import CharterError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.matching_requests import FORMAT_VERSION, matching_sha256, open_matching_request
from highstreet.audit.matchings import (
    MatchingPart,
    drawn_holders,
    influence_of,
    matching_context,
    part_ends,
    refuse_impossible_matching,
    shares_stores,
    table_release,
)
from highstreet.audit.requests import request_sha256
from highstreet.client.errors import RoundRefusedError
from highstreet.client.round_terms import (
    CLOCK_SKEW_SECONDS,
    Agreement,
    examine_table,
    read_request,
    require,
)
from highstreet.privacy.errors import PrivacyError
from highstreet.privacy.matching import HolderKeys, MatchingContext
from highstreet.privacy.secure_sum import RoundContext
from highstreet.protos.matching_pb2 import MatchingRequest, SignedMatchingRequest
from highstreet.protos.rounds_pb2 import (
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_MATCHING,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_SIGNATURE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    RoundRequest,
    SignedRequest,
)

__all__ = [
    "AskedMatching",
    "AskedTable",
    "examine_matching",
    "examine_matching_table",
    "read_matching_request",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMatching:
    """A matching that was found in order.

    Attributes:
        request: as signed by the coordinator.
        context: from this store's own records.
        terms: of the charter.
    """

    request: MatchingRequest
    context: MatchingContext
    terms: MatchingTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTable:
    """The request for a matching's tables, found in order and of that very matching.

    Attributes:
        request: as signed by the coordinator.
        sha256: the hash that names it; a training for persons names it, too.
        context: of its secure sum.
    """

    request: RoundRequest
    sha256: bytes
    context: RoundContext


def read_matching_request(signed: SignedMatchingRequest, agreement: Agreement) -> MatchingRequest:
    """Return the request when it is the coordinator's, of a version spoken here, for this co-op.

    Raises:
        RoundRefusedError: SIGNATURE, UNREADABLE, VERSION, WRONG_COOP.
    """
    try:
        request = open_matching_request(signed, coordinator_public_key=agreement.coordinator_public_key)
    except SignatureMismatchError as error:
        raise RoundRefusedError(REFUSAL_SIGNATURE, "it is not signed by the coordinator") from error
    except UnreadableDocumentError as error:
        raise RoundRefusedError(REFUSAL_UNREADABLE, "it cannot be read") from error
    require(request.format_version == FORMAT_VERSION, REFUSAL_VERSION, "another format version")
    require(request.coop_id == agreement.charter.coop.id, REFUSAL_WRONG_COOP, "another co-op")
    return request


def examine_matching(
    request: MatchingRequest, signed: SignedMatchingRequest, agreement: Agreement, *, now: float
) -> AskedMatching:
    """Return the matching when the request asks exactly what the charter says.

    Args:
        request: read by `read_matching_request`.
        signed: what it was read from.
        agreement: what was accepted.
        now: unix seconds.

    Raises:
        RoundRefusedError: with the first reason found.
    """
    charter, participants = agreement.charter, list(request.participants)
    terms = charter.matching
    if terms is None:
        raise RoundRefusedError(REFUSAL_RELEASE, "the charter matches nobody")
    require(request.charter_sha256 == charter.sha256(), REFUSAL_CHARTER, "another charter")
    asked = (request.identifiers_per_store, request.identifier_kind)
    charters = (terms.identifiers_per_store, terms.identifier_kind)
    require(asked == charters, REFUSAL_RELEASE, "other identifiers than the charter's")
    _require_dates(request, agreement, now=now)
    require(
        agreement.member_id in participants, REFUSAL_PARTICIPANTS, "this store is not one of its participants"
    )
    try:
        refuse_impossible_matching(charter, participants=len(participants))
    except CharterError as error:
        raise RoundRefusedError(REFUSAL_RELEASE, "there is no matching of so many stores") from error
    dimension = table_release(charter, participants=len(participants)).dimension
    fits = dimension <= agreement.limits.max_dimension
    require(fits, REFUSAL_RELEASE, "its table has more numbers than allowed here")
    adds = influence_of(charter, participants=len(participants))
    fits = adds <= agreement.limits.max_matching_delta
    require(fits, REFUSAL_RELEASE, "it adds more to a person's delta than allowed here")
    holders = drawn_holders(
        participants,
        coop_id=request.coop_id,
        matching_id=request.matching_id,
        roster_sha256=request.roster_sha256,
        colluders=charter.rounds.colluders,
    )
    require(tuple(request.holders) == holders, REFUSAL_PARTICIPANTS, "its key holders were not drawn by lot")
    known = agreement.find_roster(request.roster_sha256, participants, request.opened_unix_seconds)
    if known is None:
        raise RoundRefusedError(REFUSAL_CHARTER, "an unknown roster")
    count = known.counted.issuperset(participants)
    require(count, REFUSAL_PARTICIPANTS, "one of its participants does not count here")
    meets = shares_stores(charter, participants=len(participants), counted=len(known.counted))
    require(
        meets, REFUSAL_PARTICIPANTS, "it leaves out members who count here: others could be matched apart"
    )
    try:
        context = matching_context(request, matching_sha256(signed), charter=charter, roster=known.roster)
    except PrivacyError as error:
        raise RoundRefusedError(REFUSAL_PARTICIPANTS, "its participants cannot be matched") from error
    return AskedMatching(request=request, context=context, terms=terms)


def examine_matching_table(
    signed: SignedRequest, asked: AskedMatching, keys: HolderKeys | None, agreement: Agreement, *, now: float
) -> AskedTable:
    """Return the request for a matching's tables when it is bound to this matching.

    Args:
        signed: as it came.
        asked: the matching.
        keys: as this store saw them; None where its table is given already, to a request it has checked.
        agreement: what was accepted.
        now: unix seconds.

    Raises:
        RoundRefusedError: with the first reason found.
    """
    request, sha256 = read_request(signed, agreement), request_sha256(signed)
    context = examine_table(request, sha256, agreement, now=now, contributes=keys is not None)
    matching = asked.request
    is_of_it = (
        request.programme_id == matching.matching_id
        and request.table.matching_sha256 == asked.context.request_sha256
        and request.roster_sha256 == matching.roster_sha256
        and list(request.participants) == list(matching.participants)
    )
    require(is_of_it, REFUSAL_MATCHING, "its table is another matching's")
    starts, ends = matching.opened_unix_seconds, matching.deadline_unix_seconds
    is_within = starts <= request.opened_unix_seconds and request.deadline_unix_seconds <= ends
    require(is_within, REFUSAL_DEADLINE, "its table is asked for outside the matching's time")
    if keys is not None:
        same_keys = request.table.keys_sha256 == keys.sha256()
        require(same_keys, REFUSAL_MATCHING, "its table was made under other keys")
    return AskedTable(request=request, sha256=sha256, context=context)


def _require_dates(request: MatchingRequest, agreement: Agreement, *, now: float) -> None:
    opened = request.opened_unix_seconds
    require(opened <= now + CLOCK_SKEW_SECONDS, REFUSAL_DEADLINE, "it was opened in the future")
    ends = part_ends(agreement.charter, opened_at=opened, part=MatchingPart.COUNTS)
    require(request.deadline_unix_seconds == ends, REFUSAL_DEADLINE, "it has another deadline")
    require(now <= ends, REFUSAL_DEADLINE, "its deadline has passed")
