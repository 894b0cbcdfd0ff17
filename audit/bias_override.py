"""An override: two people whom the charter names let a release out that a rule keeps back, and say why.

They sign which release behind which, which rules and what became of them; for another release, another place
of the same model, or another verdict on it, they have to sign anew. It is part of the release's manifest, so
every shop sees names and reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.bias_gate import Outcome, Verdict
from highstreet.audit.bias_rules import BiasLimits, Overrider
from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.errors import OverrideError, SignatureMismatchError
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES, SignatureKind, public_key_bytes, sign, verify
from highstreet.printable import letters_in

__all__ = [
    "Override",
    "OverrideFormat",
    "OverrideSignature",
    "check_override",
    "key_of",
    "overridden_by",
]

_FEWEST_PEOPLE = 2
_SHORTEST_REASON = 20
_FEWEST_LETTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideSignature:
    """One person's signature; whose key it has to fit, the charter says.

    Attributes:
        name: of the person, as in the charter.
        signature: Ed25519 in hex.
    """

    name: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What was decided, and who signed it.

    Attributes:
        coop_id, programme_id: which training of which co-op.
        number, previous_sha256: of the release that it lets out, and of the manifest before it in hex.
        model_sha256, charter_sha256: hex; which model, under which charter.
        rules: each rule that keeps it back, with its outcome: `fail` or `undetermined`.
        reason: for all members to read.
        created: UTC, YYYY-MM-DDTHH:MM:SSZ.
        signatures: of the people who decided.
    """

    coop_id: str
    programme_id: str
    number: int
    previous_sha256: str
    model_sha256: str
    charter_sha256: str
    rules: Mapping[str, str]
    reason: str
    created: str
    signatures: tuple[OverrideSignature, ...] = ()

    def statement(self) -> bytes:
        """Return the bytes that each person signs."""
        return canonical_json(self._statement())

    def sha256(self) -> str:
        """Return the SHA-256 of the statement in hex."""
        return hashlib.sha256(self.statement()).hexdigest()

    def signed_by(self, name: str, key: Ed25519PrivateKey) -> Override:
        """Return the override with one more signature; a second one of the same person replaces the first."""
        made = sign(SignatureKind.OVERRIDE, self.statement(), key).hex()
        others = [each for each in self.signatures if each.name != name]
        added = sorted([*others, OverrideSignature(name=name, signature=made)], key=lambda each: each.name)
        return replace(self, signatures=tuple(added))

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        signatures = [{"name": each.name, "signature": each.signature} for each in self.signatures]
        return {**self._statement(), "signatures": signatures}

    def document(self) -> bytes:
        """Return canonical bytes, signatures included."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_document(cls, document: bytes) -> Override:
        """Read `document()`; the signatures are not checked here.

        Raises:
            UnreadableDocumentError: not canonical JSON.
            OverrideError: an entry is unknown, missing or out of range.
        """
        values = read_canonical(document, limit_bytes=DOCUMENT_LIMIT_BYTES)
        try:
            return OverrideFormat.model_validate(values).to_override()
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(part) for part in problem["loc"])
            raise OverrideError(f"The override is not valid: {place}: {problem['msg']}.") from error

    def _statement(self) -> dict[str, object]:
        return {
            "format_version": 2,
            "coop_id": self.coop_id,
            "programme_id": self.programme_id,
            "number": self.number,
            "previous_sha256": self.previous_sha256,
            "model_sha256": self.model_sha256,
            "charter_sha256": self.charter_sha256,
            "rules": dict(sorted(self.rules.items())),
            "reason": self.reason,
            "created": self.created,
        }


def check_override(override: Override, limits: BiasLimits, verdict: Verdict, *, wanted: Override) -> None:
    """Return only when two people of the charter let this very verdict on this very release pass.

    Args:
        override: as it came.
        limits: of the charter: whose signatures count.
        verdict: on the release.
        wanted: names the release: co-op, programme, number, manifest before, model and charter are compared
            with it, nothing else.

    Raises:
        OverrideError: it is about something else, or fewer than two of them signed it.
    """
    same = (
        (override.coop_id == wanted.coop_id, "another co-op"),
        (override.programme_id == wanted.programme_id, "another training"),
        (override.number == wanted.number, "another release"),
        (override.previous_sha256 == wanted.previous_sha256, "a release behind another one"),
        (override.model_sha256 == wanted.model_sha256, "another model"),
        (override.charter_sha256 == wanted.charter_sha256, "another charter"),
        (dict(override.rules) == overridden_by(verdict), "another verdict"),
    )
    for is_same, what in same:
        if not is_same:
            raise OverrideError(
                f"The override is about {what}.", next_step="Propose one for this release and sign it anew."
            )
    known = {one.name: one for one in limits.people}
    keys = {_key_of(each, known, override) for each in override.signatures}
    if len(keys) < _FEWEST_PEOPLE:
        raise OverrideError(
            f"An override takes {_FEWEST_PEOPLE} people whom the charter names; {len(keys)} signed.",
            next_step="Have another one sign it: highstreet coop override sign.",
        )


def overridden_by(verdict: Verdict) -> dict[str, str]:
    """Return what an override of this verdict is about: each rule that blocks, with its outcome."""
    return {each.rule: each.outcome.value for each in verdict.findings if each.outcome.blocks}


def _key_of(each: OverrideSignature, known: Mapping[str, Overrider], override: Override) -> str:
    """Return the key of whoever signed; a signature that does not fit spoils the whole override."""
    if each.name not in known:
        raise OverrideError("The override is signed by somebody whom the charter does not name.")
    key = known[each.name].public_key
    try:
        signature, raw = bytes.fromhex(each.signature), bytes.fromhex(key)
        verify(SignatureKind.OVERRIDE, override.statement(), signature, raw)
    except (SignatureMismatchError, ValueError) as error:
        raise OverrideError(f"The signature of {each.name} on the override does not match.") from error
    return key


def key_of(key: Ed25519PrivateKey) -> str:
    """Return the public key as a charter carries it."""
    return public_key_bytes(key).hex()


def _printing(text: str) -> str:
    """Refuse controls and marks of writing direction: members' terminals show it."""
    if not text.isprintable() or text != text.strip():
        raise ValueError("a character that does not print")
    return text


def _telling(reason: str) -> str:
    """Refuse a reason that nobody can read: blanks and signs alone."""
    if letters_in(reason) < _FEWEST_LETTERS:
        raise ValueError(f"fewer than {_FEWEST_LETTERS} letters or digits")
    return reason


_HEX = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_TEXT = Annotated[str, AfterValidator(_printing)]
_OUTCOME = Annotated[str, Field(pattern=f"^({Outcome.FAIL}|{Outcome.UNDETERMINED})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _SignatureFormat(_Strict):
    name: Annotated[_TEXT, Field(min_length=1, max_length=64)]
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


class OverrideFormat(_Strict):
    """An override at the edge."""

    format_version: int = Field(ge=2, le=2)
    coop_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    programme_id: str = Field(pattern=r"^[0-9a-f]{1,64}$")
    number: int = Field(ge=1, le=2**31)
    previous_sha256: _HEX
    model_sha256: _HEX
    charter_sha256: _HEX
    rules: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], _OUTCOME] = Field(
        min_length=1, max_length=32
    )
    reason: Annotated[_TEXT, Field(min_length=_SHORTEST_REASON, max_length=1000), AfterValidator(_telling)]
    created: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
    signatures: list[_SignatureFormat] = Field(max_length=16)

    def to_override(self) -> Override:
        """Return it as data."""
        plain = self.model_dump(exclude={"format_version", "signatures"})
        signatures = tuple(OverrideSignature(**each.model_dump()) for each in self.signatures)
        return Override(**plain, signatures=signatures)
