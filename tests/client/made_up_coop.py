"""A made-up co-op of five members with real keys: its charter, its roster, the messages of its rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.audit.charter import (
    COOP_LEARNING,
    MATCHING,
    Charter,
    CoopIdentity,
    MatchingTerms,
    PrivacyTerms,
    RoundTerms,
)
from highstreet.audit.limits import StoreLimits
from highstreet.audit.requests import mechanism_of, release_spec, request_sha256, sign_request
from highstreet.audit.roster import Member, Roster
from highstreet.audit.sums import round_context
from highstreet.client.round_members import CountedRoster
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.state import SharedState
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.privacy.secure_sum import MadeContribution, MemberKeys, Opening, RoundContext, contribute
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.protos.rounds_pb2 import ContributeStep, RoundMessage, RoundRequest, SumStep

NOW = 1_800_000_000
PROGRAMME = "a1b2c3d4e5f60718"
ROSTER_SHA256 = b"r" * 32
#: The request of the table that rounds take their counts from, where they take any.
TABLE = b"t" * 32
SCHEMA = FeatureSchema(
    key_buckets=32,
    category_buckets=8,
    product_type_buckets=8,
    brand_buckets=8,
    maker_buckets=8,
    size_buckets=8,
)
PLAN = default_plan(SCHEMA, noise_multiplier=4.0, gradient_rounds=1)
LIMITS = StoreLimits(
    max_epsilon=3.0,
    delta=1e-5,
    period_days=365,
    min_cohort_floor=3,
    max_phases=24,
    max_dimension=1 << 20,
    max_state_bytes=1 << 20,
    purposes=(COOP_LEARNING,),
)


def charter_of(plan: ModelPlan, *, committee_size: int = 6) -> Charter:
    """The co-op's charter for a plan: at least three stores in a sum, of which one may collude."""
    return Charter(
        coop=CoopIdentity(id="0" * 32, name="Tiny", created="2026-01-01"),
        purposes=(COOP_LEARNING,),
        plan=plan,
        privacy=PrivacyTerms(epsilon=3.0, delta=1e-5),
        rounds=RoundTerms(
            cohort_floor=3, quorum=0.5, deadline_seconds=600, colluders=1, committee_size=committee_size
        ),
    )


def about_persons(charter: Charter, *, shops: int) -> Charter:
    """The same charter with a promise to a person in up to so many shops."""
    terms = replace(
        charter.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_MOST,
        shops_per_person=shops,
    )
    return replace(charter, privacy=terms)


def by_counts(charter: Charter, *, shops: int) -> Charter:
    """The same charter with a promise to a person whose shops are counted by matching."""
    persons = about_persons(charter, shops=shops)
    return replace(
        persons,
        purposes=(COOP_LEARNING, MATCHING),
        privacy=replace(persons.privacy, weighting=Weighting.ONE_OVER_SHOPS),
        matching=MatchingTerms(identifiers_per_store=5),
    )


def mechanism_for(plan: ModelPlan, phase: PhasePlan, *, participants: int = 5) -> DistributedMechanism:
    """What a store of the co-op adds its noise by."""
    return mechanism_of(phase, charter_of(plan), participants=participants)


CHARTER = charter_of(PLAN)
COORDINATOR = Ed25519PrivateKey.generate()
IDS = tuple(f"{number:016x}" for number in (0xA1, 0xB2, 0xC3, 0xD4, 0xE5))
KEYS = {
    member_id: MemberKeys(signing=Ed25519PrivateKey.generate(), encryption=X25519PrivateKey.generate())
    for member_id in IDS
}
#: The store under test, and somebody who is on the roster and does not count.
ME = IDS[0]
STRANGER = "f6" * 8


def member(member_id: str, keys: MemberKeys | None = None) -> Member:
    """The roster's entry of a member."""
    own = keys or KEYS[member_id]
    return Member(
        member_id=member_id,
        name=f"Shop {member_id[-2:]}",
        signing_public_key=own.signing.public_key().public_bytes_raw(),
        encryption_public_key=own.encryption.public_key().public_bytes_raw(),
    )


def fresh_keys() -> MemberKeys:
    """Keys of nobody."""
    return MemberKeys(signing=Ed25519PrivateKey.generate(), encryption=X25519PrivateKey.generate())


ROSTER = Roster(
    coop_id=CHARTER.coop.id,
    number=6,
    members=(*(member(one) for one in IDS), member(STRANGER, fresh_keys())),
)


def find_roster(sha256: bytes, participants: Iterable[str], opened_at: int) -> CountedRoster | None:
    """As a store answers that has accepted one roster and counts all but the stranger."""
    del participants
    return CountedRoster(roster=ROSTER, counted=frozenset(IDS)) if sha256 == ROSTER_SHA256 else None


def round_request(
    *, charter: Charter = CHARTER, participants: tuple[str, ...] = IDS, opened: int = NOW - 10
) -> RoundRequest:
    """A request for the first phase, in order."""
    plan = charter.plan
    phase = plan.phases[0]
    return RoundRequest(
        format_version=1,
        coop_id=charter.coop.id,
        programme_id=PROGRAMME,
        round=0,
        phase=phase.name,
        charter_sha256=charter.sha256(),
        roster_sha256=ROSTER_SHA256,
        schema_sha256=bytes.fromhex(plan.schema.sha256()),
        state_sha256=bytes.fromhex(initial_state(plan).sha256()),
        cohort_floor=3,
        opened_unix_seconds=opened,
        deadline_unix_seconds=opened + 600,
        release=release_spec(phase, charter, participants=max(3, len(participants))),
        as_of_day=opened // 86_400,
        participants=participants,
        matching_table_sha256=TABLE if charter.privacy.weighting is Weighting.ONE_OVER_SHOPS else b"",
    )


def contribute_message(
    request: RoundRequest, state: SharedState | None = None, key: Ed25519PrivateKey = COORDINATOR
) -> bytes:
    """The message that asks for a contribution."""
    step = ContributeStep(request=sign_request(request, key), state=(state or initial_state(PLAN)).to_bytes())
    return RoundMessage(contribute=step).SerializeToString(deterministic=True)


def inspect_message(request: RoundRequest, message: bytes, key: Ed25519PrivateKey = COORDINATOR) -> bytes:
    """The message that asks which contributions cannot be used."""
    step = SumStep(request=sign_request(request, key), message=message)
    return RoundMessage(inspect=step).SerializeToString(deterministic=True)


def agree_message(request: RoundRequest, message: bytes, key: Ed25519PrivateKey = COORDINATOR) -> bytes:
    """The message that asks for an agreement to a set."""
    step = SumStep(request=sign_request(request, key), message=message)
    return RoundMessage(agree=step).SerializeToString(deterministic=True)


def open_message(request: RoundRequest, message: bytes, key: Ed25519PrivateKey = COORDINATOR) -> bytes:
    """The message that asks for a share of the sum."""
    step = SumStep(request=sign_request(request, key), message=message)
    return RoundMessage(open=step).SerializeToString(deterministic=True)


def context_of(
    request: RoundRequest, *, charter: Charter = CHARTER, key: Ed25519PrivateKey = COORDINATOR
) -> RoundContext:
    """The round's secure sum as the coordinator and every member derive it."""
    return round_context(
        request,
        request_sha256(sign_request(request, key)),
        charter=charter,
        roster=ROSTER,
        coordinator_public_key=key.public_key().public_bytes_raw(),
    )


def contribution_of(context: RoundContext, member_id: str, *, mark: int = 1) -> MadeContribution:
    """What another store sends: a vector of one number, shared for real."""
    return contribute(
        context,
        np.full(context.dimension, mark, dtype=np.int64),
        member_id=member_id,
        signing_key=KEYS[member_id].signing,
    )


def opening_of(
    context: RoundContext, bodies: Mapping[str, bytes], *, key: Ed25519PrivateKey = COORDINATOR
) -> Opening:
    """The coordinator's side, with these contributions as the one announced set."""
    opening = Opening(context)
    for body in bodies.values():
        opening.add_contribution(body)
    opening.announce(key)
    return opening
