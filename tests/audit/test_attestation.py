"""Attestations are about one round and contribution; papers about them are checked, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.attestation import AttestedKind, AttestedRound, open_attestation, read_attestation
from highstreet.audit.attestation_check import check_membership, check_opening
from highstreet.audit.attestation_papers import AttestationOpening, MembershipProof, read_paper
from highstreet.audit.cohort_commitment import CohortTree, customer_leaf
from highstreet.audit.consent import Act, ConsentEvent, ConsentState, Purpose
from highstreet.audit.consent_states import CLOCK_TOLERANCE_MICROSECONDS
from highstreet.audit.errors import AttestationError
from highstreet.audit.signing import SignatureKind, SignedDocument
from tests.audit.made_up_attestation import ABOUT, DAY, KEY, LEARNING, PUBLIC, event, opening_of

ONLY = frozenset({LEARNING})
GIVEN = [event(number, customer, Act.GIVEN, DAY) for number, customer in enumerate((1, 2, 3))]


def test_an_attestation_is_opened_for_its_round_and_store_alone() -> None:
    signed = opening_of(GIVEN, [(1, ONLY)]).signed
    assert open_attestation(signed, public_key=PUBLIC, about=ABOUT).use.epsilon == 0.5
    changed: list[dict[str, object]] = [
        {"kind": AttestedKind.MATCHING_TABLE},
        {"coop_id": "1" * 32},
        {"member_id": "b" * 16},
        {"programme_id": "c" * 16},
        {"round": 3},
        {"request_sha256": bytes(32)},
        {"model_sha256": bytes(32)},
        {"cohort_floor": 2},
        {"contribution_sha256": bytes(32)},
    ]
    assert {name for each in changed for name in each} == set(AttestedRound.__dataclass_fields__)
    for each in changed:
        with pytest.raises(AttestationError, match="another"):
            open_attestation(signed, public_key=PUBLIC, about=replace(ABOUT, **each))  # type: ignore[arg-type]
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(AttestationError):
        open_attestation(signed, public_key=stranger, about=ABOUT)
    with pytest.raises(AttestationError):
        open_attestation(replace(signed, kind=SignatureKind.RECEIPT), public_key=PUBLIC, about=ABOUT)


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"epsilon": -0.1},
        {"epsilon": "much"},
        {"cohort": "00"},
        {"round": -1},
        {"kind": "guessing"},
        {"format_version": 2},
        {"delta": 1.5},
    ],
)
def test_an_attestation_of_another_form_is_refused(change: dict[str, object]) -> None:
    plain = json.loads(opening_of(GIVEN, [(1, ONLY)]).signed.document)
    signed = SignedDocument.create(SignatureKind.ATTESTATION, {**plain, **change}, KEY)
    with pytest.raises(AttestationError):
        read_attestation(signed.document)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_paper_or_refused(data: bytes) -> None:
    with pytest.raises(AttestationError):
        read_paper(data)


def test_an_opening_in_which_everybody_agreed_holds_also_as_a_file() -> None:
    opening = opening_of([*GIVEN, None, None], [(1, ONLY), (3, ONLY)], erased=2)
    again = read_paper(opening.to_file_bytes())
    assert again == opening
    assert isinstance(again, AttestationOpening)
    verdict = check_opening(again, public_key=PUBLIC)
    assert (verdict.customers, verdict.erased, verdict.emptied, verdict.without) == (2, 2, 2, 0)
    assert verdict.first is None


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (Act.WITHDRAWN, ConsentState.WITHDRAWN),
        (Act.OBJECTED, ConsentState.OBJECTED),
        (Act.EXPIRED, ConsentState.EXPIRED),
    ],
)
def test_who_was_used_after_their_yes_ended_is_named(act: Act, state: ConsentState) -> None:
    opening = opening_of([*GIVEN, event(9, 2, act, 2 * DAY)], [(1, ONLY), (2, ONLY), (3, ONLY)])
    verdict = check_opening(opening)
    assert verdict.without == 1
    assert verdict.first is not None
    assert (verdict.first.entry.customer, verdict.first.state) == (2, state)
    assert check_opening(opening_of(opening_events(opening), [(1, ONLY), (3, ONLY)])).first is None


def opening_events(opening: AttestationOpening) -> list[ConsentEvent | None]:
    return [each.event for each in opening.entries]


def test_a_customer_who_never_agreed_and_one_whose_yes_ran_out_are_named() -> None:
    verdict = check_opening(opening_of(GIVEN, [(4, ONLY)]))
    assert verdict.first is not None
    assert verdict.first.state is ConsentState.NOT_ASKED
    late = opening_of(GIVEN, [(1, ONLY)], now=100 * DAY, longest_validity=50 * DAY)
    found = check_opening(late).first
    assert found is not None
    assert found.state is ConsentState.EXPIRED


@pytest.mark.parametrize(
    ("valid_days", "longest_validity", "tolerance"),
    [
        (50, None, 0),
        (50, 50 * DAY + 1, 0),
        (0, None, CLOCK_TOLERANCE_MICROSECONDS + 1),
        (0, None, 2**62),
        (None, None, 0),
        (True, None, 0),
        (-1, None, 0),
    ],
)
def test_a_store_that_judged_consent_by_laxer_rules_than_its_policys_is_found_out(
    valid_days: object, longest_validity: int | None, tolerance: int
) -> None:
    """Each opening follows from what was signed; without the check a yes that ran out would stand."""
    policy = {"consent": {"valid_days": valid_days}}
    opening = opening_of(
        GIVEN, [(1, ONLY)], longest_validity=longest_validity, tolerance=tolerance, policy=policy
    )
    with pytest.raises(AttestationError, match="policy"):
        check_opening(opening)


@pytest.mark.parametrize(("valid_days", "longest_validity"), [(50, 50 * DAY), (50, 9 * DAY), (0, 9 * DAY)])
def test_by_rules_as_strict_as_the_policys_consent_is_judged(valid_days: int, longest_validity: int) -> None:
    opening = opening_of(
        GIVEN,
        [(1, ONLY)],
        now=5 * DAY,
        longest_validity=longest_validity,
        tolerance=CLOCK_TOLERANCE_MICROSECONDS,
        policy={"consent": {"valid_days": valid_days}},
    )
    assert check_opening(opening).first is None


@pytest.mark.parametrize(
    ("kind", "emptied", "erased"),
    [(AttestedKind.TRAINING, 0, 1), (AttestedKind.TRAINING, 2, 3), (AttestedKind.MATCHING_TABLE, 3, 2)],
)
def test_who_never_agreed_cannot_be_passed_off_as_erased_since(
    kind: AttestedKind, emptied: int, erased: int
) -> None:
    """An erasure empties a person's entries of the log; whoever was never asked has none to empty."""
    events = [*GIVEN, *[None] * emptied]
    about = replace(ABOUT, kind=kind)
    with pytest.raises(AttestationError, match="not all of them can have agreed"):
        check_opening(opening_of(events, [], erased=erased, about=about))
    assert check_opening(opening_of(events, [], erased=erased - 1, about=about)).erased == erased - 1


def test_moments_and_policies_that_nobody_could_write_down_are_no_opening() -> None:
    plain = json.loads(opening_of(GIVEN, [(1, ONLY)]).to_file_bytes())
    read_paper(json.dumps(plain).encode())
    late = {**plain, "consent": {**plain["consent"], "now": 2**62}}
    for odd in (late, {**plain, "policy": {"a": "\ud800"}}, {**plain, "policy": {"a": float("nan")}}):
        with pytest.raises(AttestationError, match="not a paper"):
            read_paper(json.dumps(odd).encode())


def test_the_first_by_place_is_named_and_each_purpose_needs_its_own_yes() -> None:
    sensitive = ONLY | {Purpose.SENSITIVE_CATEGORIES}
    opening = opening_of(GIVEN, [(1, sensitive), (2, sensitive), (3, ONLY)])
    verdict = check_opening(opening)
    assert verdict.without == 2
    assert verdict.first is not None
    assert verdict.first.purpose is Purpose.SENSITIVE_CATEGORIES
    wrong = [each.slot for each in opening.cohort if each.customer in {1, 2}]
    assert verdict.first.entry.slot == min(wrong)


@pytest.mark.parametrize("kind", [AttestedKind.MATCHING_LIST, AttestedKind.MATCHING_TABLE])
def test_who_is_behind_a_matching_must_have_agreed_to_it_whatever_the_store_says_they_were_used_for(
    kind: AttestedKind,
) -> None:
    about = replace(ABOUT, kind=kind, round=0)
    agreed = [*GIVEN, *(event(10 + one, one, Act.GIVEN, DAY, Purpose.MATCHING) for one in (1, 2))]
    both = ONLY | {Purpose.MATCHING}
    assert check_opening(opening_of(agreed, [(1, both), (2, both)], about=about)).first is None
    for said in (both, ONLY):
        verdict = check_opening(opening_of(agreed, [(1, both), (3, said)], about=about))
        assert verdict.without == 1
        assert verdict.first is not None
        assert (verdict.first.entry.customer, verdict.first.purpose) == (3, Purpose.MATCHING)
    # The twin: to a training it is nothing.
    assert check_opening(opening_of(agreed, [(1, both), (3, ONLY)])).first is None


def _without_withdrawal(opening: AttestationOpening) -> AttestationOpening:
    return replace(opening, entries=opening.entries[:-1])


def _emptied_withdrawal(opening: AttestationOpening) -> AttestationOpening:
    gone = replace(opening.entries[-1], event=None, salt=None, leaf=bytes(32))
    return replace(opening, entries=(*opening.entries[:-1], gone))


def _other_event(opening: AttestationOpening) -> AttestationOpening:
    last = opening.entries[-1]
    assert last.event is not None
    given = replace(last, event=replace(last.event, act=Act.GIVEN))
    return replace(opening, entries=(*opening.entries[:-1], given))


def _one_customer_less(opening: AttestationOpening) -> AttestationOpening:
    return replace(opening, cohort=opening.cohort[1:])


def _other_purposes(opening: AttestationOpening) -> AttestationOpening:
    first = replace(opening.cohort[0], purposes=frozenset({Purpose.COOP_LEARNING, Purpose.MATCHING}))
    return replace(opening, cohort=(first, *opening.cohort[1:]))


def _earlier(opening: AttestationOpening) -> AttestationOpening:
    time = replace(opening.basis.time, now=opening.basis.time.now - 99 * DAY)
    return replace(opening, basis=replace(opening.basis, time=time))


@pytest.mark.parametrize(
    "tamper",
    [
        _without_withdrawal,
        _emptied_withdrawal,
        _other_event,
        _one_customer_less,
        _other_purposes,
        _earlier,
        lambda opening: replace(opening, policy={**opening.policy, "consent": {"valid_days": 1}}),
        lambda opening: replace(opening, pad_key=bytes(32)),
        lambda opening: replace(opening, consent_salt=bytes(32)),
        lambda opening: replace(opening, cohort=(*opening.cohort, opening.cohort[0])),
    ],
)
def test_an_opening_that_was_made_to_look_better_is_refused(
    tamper: Callable[[AttestationOpening], AttestationOpening],
) -> None:
    opening = opening_of([*GIVEN, event(9, 2, Act.WITHDRAWN, 2 * DAY)], [(1, ONLY), (2, ONLY)])
    assert check_opening(opening).without == 1
    with pytest.raises(AttestationError):
        check_opening(tamper(opening))


def test_a_paper_of_another_store_is_refused_and_so_is_a_changed_signature() -> None:
    opening = opening_of(GIVEN, [(1, ONLY)])
    other = Ed25519PrivateKey.generate()
    with pytest.raises(AttestationError):
        check_opening(opening, public_key=other.public_key().public_bytes_raw())
    with pytest.raises(AttestationError):
        check_opening(replace(opening, signed=replace(opening.signed, signature=bytes(64))))


def _proof() -> MembershipProof:
    opening = opening_of(GIVEN, [(1, ONLY), (2, ONLY)])
    entry = next(each for each in opening.cohort if each.customer == 2)
    leaves = {each.slot: customer_leaf(each.salt, each.customer, each.purposes) for each in opening.cohort}
    path = CohortTree(opening.pad_key, leaves).proof(entry.slot)
    return MembershipProof(signed=opening.signed, public_key=PUBLIC, entry=entry, path=path)


def test_a_persons_proof_holds_and_shows_nobody_elses_membership() -> None:
    proof = read_paper(_proof().to_file_bytes())
    assert isinstance(proof, MembershipProof)
    assert check_membership(proof, public_key=PUBLIC).round == ABOUT
    for other in (
        replace(proof.entry, customer=1),
        replace(proof.entry, salt=bytes(32)),
        replace(proof.entry, slot=proof.entry.slot ^ 1),
        replace(proof.entry, purposes=frozenset(Purpose)),
    ):
        with pytest.raises(AttestationError):
            check_membership(replace(proof, entry=other))


def test_nothing_that_is_signed_tells_of_the_cohort_or_of_consent() -> None:
    """Nobody and three, with another consent log: the same fields of the same sizes, other hashes alone."""
    nobody, three = opening_of([], []), opening_of(GIVEN, [(1, ONLY), (2, ONLY), (3, ONLY)])
    one, other = json.loads(nobody.signed.document), json.loads(three.signed.document)
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"cohort", "consent"}
    assert len(nobody.signed.document) == len(three.signed.document)
