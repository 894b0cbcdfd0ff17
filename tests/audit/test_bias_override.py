"""An override is two people of the charter, for one verdict on one release, with a reason."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from highstreet.audit.bias_gate import Finding, Outcome, Verdict
from highstreet.audit.bias_override import (
    Override,
    OverrideFormat,
    OverrideSignature,
    check_override,
    key_of,
    overridden_by,
)
from highstreet.audit.bias_rules import BiasLimits, Overrider
from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import OverrideError, UnreadableDocumentError

KEYS = {name: Ed25519PrivateKey.generate() for name in ("Ann", "Ben", "Cai")}
LIMITS = BiasLimits(people=tuple(Overrider(name=name, public_key=key_of(KEYS[name])) for name in KEYS))
VERDICT = Verdict(
    findings=(
        Finding(rule="a", outcome=Outcome.PASS),
        Finding(rule="b", outcome=Outcome.FAIL),
        Finding(rule="c", outcome=Outcome.UNDETERMINED),
        Finding(rule="d", outcome=Outcome.NOT_APPLICABLE),
    )
)
PLAIN = Override(
    coop_id="0" * 32,
    programme_id="ab" * 8,
    number=4,
    previous_sha256="a0" * 32,
    model_sha256="cd" * 32,
    charter_sha256="ef" * 32,
    rules={"b": "fail", "c": "undetermined"},
    reason="The groups are served alike in our own counts.",
    created="2026-11-22T12:00:00Z",
)
SIGNED = PLAIN.signed_by("Ben", KEYS["Ben"]).signed_by("Ann", KEYS["Ann"])


def _check(override: Override, verdict: Verdict = VERDICT, limits: BiasLimits = LIMITS) -> None:
    check_override(override, limits, verdict, wanted=PLAIN)


def test_two_people_of_the_charter_let_exactly_what_blocks_pass() -> None:
    assert overridden_by(VERDICT) == {"b": "fail", "c": "undetermined"}
    _check(SIGNED)
    assert [each.name for each in SIGNED.signatures] == ["Ann", "Ben"]
    _check(SIGNED.signed_by("Cai", KEYS["Cai"]))


def test_one_person_is_not_enough_however_often_they_sign() -> None:
    for override in (PLAIN, PLAIN.signed_by("Ann", KEYS["Ann"])):
        with pytest.raises(OverrideError, match=r"takes 2 people.*[01] signed"):
            _check(override)
    once = PLAIN.signed_by("Ann", KEYS["Ann"])
    assert len(once.signed_by("Ann", KEYS["Ann"]).signatures) == 1
    doubled = replace(once, signatures=once.signatures * 2)
    with pytest.raises(OverrideError, match="1 signed"):
        _check(doubled)


def test_a_key_under_two_names_is_one_person() -> None:
    twice = BiasLimits(
        people=(
            Overrider(name="Ann", public_key=key_of(KEYS["Ann"])),
            Overrider(name="Ben", public_key=key_of(KEYS["Ann"])),
        )
    )
    with pytest.raises(OverrideError, match="1 signed"):
        _check(PLAIN.signed_by("Ann", KEYS["Ann"]).signed_by("Ben", KEYS["Ann"]), limits=twice)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"coop_id": "1" * 32}, "another co-op"),
        ({"programme_id": "ba" * 8}, "another training"),
        ({"number": 5}, "another release"),
        ({"previous_sha256": "0a" * 32}, "behind another one"),
        ({"model_sha256": "dc" * 32}, "another model"),
        ({"charter_sha256": "fe" * 32}, "another charter"),
        ({"rules": {"b": "fail"}}, "another verdict"),
        ({"rules": {"b": "undetermined", "c": "undetermined"}}, "another verdict"),
        ({"rules": {"a": "fail", "b": "fail", "c": "undetermined"}}, "another verdict"),
    ],
)
def test_an_override_of_something_else_is_refused(changes: dict[str, object], said: str) -> None:
    other = replace(PLAIN, **changes)  # type: ignore[arg-type]  # names are checked by dataclasses
    signed = other.signed_by("Ann", KEYS["Ann"]).signed_by("Ben", KEYS["Ben"])
    with pytest.raises(OverrideError, match=said):
        _check(signed)


@pytest.mark.parametrize(
    "changes", [{"reason": "Another reason that nobody signed."}, {"created": "2027-11-22T12:00:00Z"}]
)
def test_what_was_signed_cannot_be_changed(changes: dict[str, str]) -> None:
    with pytest.raises(OverrideError, match="does not match"):
        _check(replace(SIGNED, **changes))  # type: ignore[arg-type]  # as above


def test_a_stranger_or_a_foreign_key_or_an_odd_signature_is_refused() -> None:
    with pytest.raises(OverrideError, match="does not name"):
        _check(SIGNED.signed_by("Dora", Ed25519PrivateKey.generate()))
    with pytest.raises(OverrideError, match="of Cai"):
        _check(SIGNED.signed_by("Cai", KEYS["Ann"]))
    odd = replace(SIGNED, signatures=(*SIGNED.signatures, OverrideSignature(name="Cai", signature="zz")))
    with pytest.raises(OverrideError, match="of Cai"):
        _check(odd)
    bad_key = replace(LIMITS, people=(*LIMITS.people[:2], Overrider(name="Cai", public_key="nothex")))
    with pytest.raises(OverrideError, match="of Cai"):
        _check(SIGNED.signed_by("Cai", KEYS["Cai"]), limits=bad_key)


def test_nobody_can_override_where_the_charter_names_nobody() -> None:
    with pytest.raises(OverrideError, match="does not name"):
        _check(SIGNED, limits=BiasLimits())
    with pytest.raises(OverrideError, match="0 signed"):
        _check(PLAIN, limits=BiasLimits())


def test_what_was_written_is_read_back_the_same() -> None:
    assert Override.from_document(SIGNED.document()) == SIGNED
    assert Override.from_document(PLAIN.document()).statement() == PLAIN.statement()
    assert SIGNED.sha256() == PLAIN.sha256() == hashlib.sha256(PLAIN.statement()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 1},
        {"reason": "too short"},
        {"reason": "x" * 1001},
        {"reason": "A reason that ends \u202e in another direction."},
        {"reason": " A reason with a space in front of it."},
        {"reason": "\u2800" * 20},
        {"reason": "\u3164" * 20},
        {"reason": ".                  ."},
        {"reason": "......................................... ok"},
        {"rules": {}},
        {"rules": {"b": "pass"}},
        {"rules": {"B!": "fail"}},
        {"created": "yesterday"},
        {"coop_id": "x"},
        {"programme_id": ""},
        {"number": 0},
        {"previous_sha256": "cd"},
        {"model_sha256": "cd"},
        {"charter_sha256": "ef"},
        {"signatures": [{"name": "Ann", "signature": "00"}]},
        {"signatures": [{"name": "", "signature": "00" * 64}]},
        {"extra": 1},
    ],
)
def test_an_override_that_is_not_one_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(OverrideError, match="not valid"):
        Override.from_document(canonical_json({**SIGNED.to_dict(), **changes}))


#: One of each that is just allowed, and one that is just not.
_RULES = {f"r{n}": "fail" for n in range(33)}
_SIGNATURES = [{"name": f"P{n}", "signature": "00" * 64} for n in range(17)]
_TEN = "abcdefghij"
_EDGES: list[tuple[str, object, object]] = [
    ("format_version", 2, 3),
    ("number", 1, 0),
    ("number", 2**31, 2**31 + 1),
    ("rules", {"b": "fail"}, {}),
    ("rules", dict(list(_RULES.items())[:32]), _RULES),
    ("signatures", _SIGNATURES[:16], _SIGNATURES),
    (
        "signatures",
        [{"name": "A" * 64, "signature": "00" * 64}],
        [{"name": "A" * 65, "signature": "00" * 64}],
    ),
    ("reason", _TEN + ".........!", _TEN + "........!"),
    ("reason", _TEN + ".........!", _TEN[:9] + "..........!"),
    ("reason", "x" * 1000, "x" * 1001),
    ("programme_id", "a" * 64, "a" * 65),
]


@pytest.mark.parametrize(("name", "allowed", "refused"), _EDGES)
def test_the_edges_of_what_is_an_override_are_exact(name: str, allowed: object, refused: object) -> None:
    found = Override.from_document(canonical_json({**SIGNED.to_dict(), name: allowed}))
    assert found.to_dict()[name] == allowed
    with pytest.raises(OverrideError, match=f"not valid: {name}"):
        Override.from_document(canonical_json({**SIGNED.to_dict(), name: refused}))


def test_what_was_read_cannot_be_changed_before_it_is_checked() -> None:
    found = OverrideFormat.model_validate(SIGNED.to_dict())
    with pytest.raises(ValidationError, match="frozen"):
        found.reason = "Another reason that nobody signed."  # type: ignore[misc]  # that is what is tried


def test_bytes_that_are_no_canonical_document_are_refused() -> None:
    with pytest.raises(UnreadableDocumentError):
        Override.from_document(SIGNED.document() + b" ")
