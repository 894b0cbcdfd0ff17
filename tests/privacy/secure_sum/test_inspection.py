"""Looking contributions through: bad boxes are named, good ones never, and nobody is bound by it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError, contribute
from highstreet.privacy.secure_sum.contribution import MadeContribution, read_header
from highstreet.privacy.secure_sum.errors import InvalidRoundError
from highstreet.privacy.secure_sum.field import MODULUS
from highstreet.privacy.secure_sum.inspection import open_inspection, signed_inspection
from highstreet.privacy.secure_sum.sealing import seal
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    ContributionHeader,
    SignedSumInspection,
    SumInspection,
    SumInspectionRequest,
)


def secret(label):
    return hashlib.sha256(label.encode()).digest()


def resigned(made_up, one, boxes):
    """A store's contribution with other boxes, by position, whose digests it signed."""
    message = Contribution.FromString(made_up.contribution(one).body)
    header = ContributionHeader.FromString(message.header)
    for position, box in boxes.items():
        message.boxes[position - 1] = box
        header.box_sha256[position - 1] = hashlib.sha256(box).digest()
    message.header = header.SerializeToString(deterministic=True)
    message.signature = sign(Signed.CONTRIBUTION, message.header, made_up.keys[one].signing)
    return MadeContribution(message.SerializeToString(), hashlib.sha256(message.header).digest())


def out_of_range(made_up, one, position):
    """A box that opens and holds a value of p."""
    drawn = []

    def entropy(size):
        drawn.append(secret(f"{one} {len(drawn)}")[:size])
        return drawn[-1]

    made = contribute(
        made_up.context,
        made_up.vector(one),
        member_id=one,
        signing_key=made_up.keys[one].signing,
        entropy=entropy,
    )
    message = Contribution.FromString(made.body)
    label = read_header(message.header, message.signature, made_up.context).box_label(
        made_up.context, position
    )
    share = MODULUS.to_bytes(4, "little") * made_up.context.dimension
    box = seal(share, label, ephemeral_key=X25519PrivateKey.from_private_bytes(drawn[0]))
    header = ContributionHeader.FromString(message.header)
    header.box_sha256[position - 1] = hashlib.sha256(box).digest()
    message.boxes[position - 1] = box
    message.header = header.SerializeToString(deterministic=True)
    message.signature = sign(Signed.CONTRIBUTION, message.header, made_up.keys[one].signing)
    return MadeContribution(message.SerializeToString(), hashlib.sha256(message.header).digest())


def looked(made_up, made, coordinator_key):
    """The coordinator's side after the whole committee has looked."""
    inspections = made_up.opening(made).inspections(coordinator_key)
    for one in made_up.seats:
        request = inspections.request(one)
        inspections.add(made_up.seat(one, made).inspect(request, made_up.keys[one]))
    return inspections


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 8), st.integers(3, 6), st.integers(0, 2), st.integers(0, 2**31))
def test_a_box_is_complained_of_if_and_only_if_it_does_not_open(
    made_up_round, coordinator_key, n, m, c, seed
):
    m, generator = min(m, n), random.Random(seed)  # noqa: S311 - reproducible cases
    made_up = made_up_round(n=n, m=m, c=min(c, m - 1, 2))
    made, bad = made_up.contributions(), {}
    for one in generator.sample(made_up.ids, generator.randint(0, n)):
        positions = generator.sample(range(1, m + 1), generator.randint(1, m))
        bad[one] = {made_up.seats[position - 1] for position in positions}
        boxes = {p: generator.randbytes(made_up.context.box_bytes(p)) for p in positions}
        made[one] = resigned(made_up, one, boxes)
    complaints = looked(made_up, made, coordinator_key).complaints
    assert complaints == {
        seat: frozenset(one for one, seats in bad.items() if seat in seats) for seat in made_up.seats
    }


def test_a_share_outside_the_field_is_complained_of_where_shares_are_vectors(made_up_round, coordinator_key):
    made_up = made_up_round(n=5, m=5, c=1)
    last, one = 5, made_up.ids[0]
    made = {**made_up.contributions(), one: out_of_range(made_up, one, last)}
    complaints = looked(made_up, made, coordinator_key).complaints
    assert complaints[made_up.seats[last - 1]] == {one}
    assert sum(map(len, complaints.values())) == 1


def test_what_a_member_says_does_not_depend_on_what_honest_stores_shared(made_up_round, coordinator_key):
    made_up = made_up_round()
    told = []
    for label in ("first", "second"):
        made = {one: made_up.contribution(one, label=label) for one in made_up.ids}
        told.append(looked(made_up, made, coordinator_key).complaints)
    assert told[0] == told[1] == dict.fromkeys(made_up.seats, frozenset())


def test_looking_binds_to_nothing_and_may_come_after_an_agreement(made_up_round, coordinator_key):
    made_up = made_up_round()
    made = made_up.contributions()
    one, fewer = made_up.seats[0], dict(list(made.items())[:4])
    seat = made_up.seat(one, made)
    agreed = replace(seat, agreed_set_sha256=secret("a set"))
    for some in (made, fewer):
        request = made_up.opening(some).inspections(coordinator_key).request(one)
        said = {each.inspect(request, made_up.keys[one]) for each in (seat, agreed)}
        assert len(said) == 1
        assert open_inspection(said.pop(), made_up.context).refusal is None
    request = made_up.announced(fewer).agreement_request(one)
    assert seat.agree(request, made_up.keys[one]).seat.agreed_set_sha256 is not None


def altered(body, **changes):
    message = SumInspectionRequest.FromString(body)
    for name, value in changes.items():
        setattr(message, name, value)
    return message.SerializeToString()


def test_requests_that_do_not_fit_are_refused_with_their_code(made_up_round, coordinator_key):
    made_up, other = made_up_round(), made_up_round(request="another")
    made, one = made_up.contributions(), made_up.seats[0]
    keys, seat = made_up.keys[one], made_up.seat(one, made)
    request = made_up.opening(made).inspections(coordinator_key).request(one)
    elsewhere = other.opening(other.contributions()).inspections(coordinator_key).request(one)
    swapped = SumInspectionRequest.FromString(request)
    swapped.entries[0].box = bytes(len(swapped.entries[0].box))
    few = dict(list(made.items())[:2])
    own = {**made, one: made_up.contribution(one, label="again")}
    cases = {
        SumRefusal.UNREADABLE: b"\xff",
        SumRefusal.VERSION: altered(request, format_version=2),
        SumRefusal.OTHER_REQUEST: elsewhere,
        SumRefusal.NOT_ADDRESSED: altered(request, member_id=made_up.seats[1]),
        SumRefusal.COORDINATOR_SIGNATURE: altered(request, signature=bytes(64)),
        SumRefusal.BOX_DIGEST: swapped.SerializeToString(),
        SumRefusal.FLOOR: made_up.opening(few).inspections(coordinator_key).request(one),
        SumRefusal.OWN_CONTRIBUTION: made_up.opening(own).inspections(coordinator_key).request(one),
    }
    for code, body in cases.items():
        with pytest.raises(SumRefusedError) as refused:
            seat.inspect(body, keys)
        assert refused.value.code is code
        said = open_inspection(seat.inspection_refusal(code, keys), made_up.context)
        assert (said.refusal, said.bad_header_sha256, said.set_sha256) == (code, frozenset(), b"")


def test_an_agreement_request_is_no_inspection_request_though_alike(made_up_round, coordinator_key):
    """Its signature is of another kind: a set that was only shown is not one that was announced."""
    made_up = made_up_round()
    made, one = made_up.contributions(), made_up.seats[0]
    shown = SumInspectionRequest.FromString(made_up.opening(made).inspections(coordinator_key).request(one))
    announced = made_up.agreed(made)
    body = altered(announced.sum_request(one), signature=shown.signature)
    with pytest.raises(SumRefusedError) as refused:
        made_up.seat(one, made).prepare(body, made_up.keys[one])
    assert refused.value.code is SumRefusal.COORDINATOR_SIGNATURE


def test_findings_of_others_or_about_others_count_for_nothing(made_up_round, coordinator_key):
    made_up, other = made_up_round(), made_up_round(request="another")
    made, one = made_up.contributions(), made_up.seats[0]
    inspections = made_up.opening(made).inspections(coordinator_key)
    good = made_up.seat(one, made).inspect(inspections.request(one), made_up.keys[one])
    shown = open_inspection(good, made_up.context).set_sha256
    key = made_up.keys[one].signing
    stranger = Ed25519PrivateKey.from_private_bytes(secret("stranger"))
    header = made[made_up.ids[0]].header_sha256
    unsorted = SignedSumInspection.FromString(good)
    message = SumInspection.FromString(unsorted.inspection)
    message.findings.bad_header_sha256.extend([header, header])
    unsorted.inspection = message.SerializeToString()
    unsorted.signature = sign(Signed.SUM_INSPECTION, unsorted.inspection, key)
    cases = [
        signed_inspection(made_up.context, one, stranger, (shown, [])),
        signed_inspection(made_up.context, "f" * 16, key, (shown, [])),
        signed_inspection(other.context, one, key, (shown, [])),
        signed_inspection(made_up.context, one, key, (secret("a set"), [])),
        signed_inspection(made_up.context, one, key, (shown, [secret("a header")])),
        unsorted.SerializeToString(),
        b"\xff",
        bytes(1 << 17),
    ]
    for body in cases:
        with pytest.raises(SumRefusedError):
            inspections.add(body)
    assert inspections.complaints == {}
    inspections.add(good)
    later = signed_inspection(made_up.context, one, key, (shown, [header]))
    inspections.add(later)
    assert inspections.complaints == {one: frozenset()}  # the first findings stand
    assert inspections.missing == made_up.committee.threshold - 1


def test_only_the_coordinators_key_shows_contributions(made_up_round):
    made_up = made_up_round()
    stranger = Ed25519PrivateKey.from_private_bytes(secret("stranger"))
    with pytest.raises(InvalidRoundError):
        made_up.opening(made_up.contributions()).inspections(stranger).request(made_up.seats[0])
