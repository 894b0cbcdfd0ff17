"""Papers about an attestation: its opening, for an auditor, and one person's proof, each a file by itself.

Both are checked offline, against nothing but what is in them and the store's public key. An opening holds no
identity: customers are the vault's row keys. It does hold every entry of the consent log up to the attested
one, because a withdrawal that was left out could not be noticed otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from highstreet.audit.attestation import Attestation, ConsentBasis, read_attestation
from highstreet.audit.canonical import canonical_json
from highstreet.audit.cohort_commitment import DEPTH
from highstreet.audit.consent import EVERYBODY, ConsentEvent, Purpose, read_event
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.errors import AttestationError, SignatureMismatchError
from highstreet.audit.signing import SignatureKind, SignedDocument

__all__ = [
    "PAPER_LIMIT_BYTES",
    "AttestationOpening",
    "CohortEntry",
    "LogEntryOpening",
    "MembershipProof",
    "attested",
    "read_paper",
]

#: Of a shop with a million entries in its consent log.
PAPER_LIMIT_BYTES = 1 << 30
_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortEntry:
    """A customer of an attested cohort.

    Attributes:
        slot: place of the leaf.
        customer: row key.
        purposes: what the customer's data was used for.
        salt: opens the leaf.
    """

    slot: int
    customer: int
    purposes: frozenset[Purpose]
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntryOpening:
    """An entry of the consent log; event and salt are None where its person was erased since."""

    leaf: bytes
    event: ConsentEvent | None
    salt: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationOpening:
    """All that a store committed to in one attestation.

    Attributes:
        signed: the attestation, as the coordinator got it.
        public_key: the store's, raw Ed25519.
        basis: the consent log and the moment.
        consent_salt: opens the commitment to it.
        policy: what the policy's hash was taken of.
        pad_key: of the cohort's tree.
        cohort: who was used, by place.
        erased: leaves of those who were erased since, by place: nobody can say any more whose they were.
        entries: the consent log up to the attested position.
    """

    signed: SignedDocument
    public_key: bytes
    basis: ConsentBasis
    consent_salt: bytes
    policy: Mapping[str, object]
    pad_key: bytes
    cohort: Sequence[CohortEntry]
    erased: Mapping[int, bytes]
    entries: Sequence[LogEntryOpening]

    def to_file_bytes(self) -> bytes:
        """Return the file: one line of JSON for each entry of the log, so that people can search it."""
        plain = {
            **_head("opening", self.signed, self.public_key),
            "consent": {**self.basis.to_dict(), "salt": self.consent_salt.hex()},
            "policy": self.policy,
            "pad_key": self.pad_key.hex(),
            "cohort": [
                {
                    "slot": each.slot,
                    "customer": each.customer,
                    "purposes": sorted(each.purposes),
                    "salt": each.salt.hex(),
                }
                for each in self.cohort
            ],
            "erased": [{"slot": slot, "leaf": leaf.hex()} for slot, leaf in sorted(self.erased.items())],
            "entries": [],
        }
        text = json.dumps(plain, indent=1, ensure_ascii=False)
        lines = ",\n".join(canonical_json(_entry_to_plain(each)).decode() for each in self.entries)
        before, _, after = text.rpartition('"entries": []')
        return f'{before}"entries": [\n{lines}\n]{after}\n'.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipProof:
    """One person's proof that they were in a round's cohort, and for what they were used.

    Attributes:
        signed, public_key: as in the opening.
        entry: the person's own.
        path: from the leaf to the root; of one length whatever the cohort.
    """

    signed: SignedDocument
    public_key: bytes
    entry: CohortEntry
    path: tuple[bytes, ...]

    def to_file_bytes(self) -> bytes:
        """Return the file."""
        plain = {
            **_head("proof", self.signed, self.public_key),
            "slot": self.entry.slot,
            "customer": self.entry.customer,
            "purposes": sorted(self.entry.purposes),
            "salt": self.entry.salt.hex(),
            "path": [each.hex() for each in self.path],
        }
        return (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode()


def read_paper(data: bytes) -> AttestationOpening | MembershipProof:
    """Read either kind of file; nothing in it is believed yet but its own signature's form.

    Raises:
        AttestationError: it is neither.
    """
    try:
        plain = json.loads(data)
        kind = plain.get("kind") if isinstance(plain, dict) else None
        if kind == "attestation-opening":
            return _opening(_OpeningForm.model_validate(plain))
        if kind == "attestation-proof":
            return _proof(_ProofForm.model_validate(plain))
    except (ValueError, RecursionError) as error:  # pydantic's own are among them
        place = ""
        if isinstance(error, ValidationError):
            found = error.errors(include_input=False, include_url=False)[0]
            place = f" ({'.'.join(str(part) for part in found['loc'])})"
        raise AttestationError(f"The file is not a paper about an attestation{place}.") from error
    raise AttestationError("The file is not a paper about an attestation.")


def attested(paper: AttestationOpening | MembershipProof, *, public_key: bytes | None = None) -> Attestation:
    """Return the attestation in a paper, once its signature was checked.

    Args:
        paper: as read.
        public_key: the store's as known from elsewhere; without it the one that the paper names.

    Raises:
        AttestationError: another key signed it, or it cannot be read.
    """
    if public_key is not None and public_key != paper.public_key:
        raise AttestationError("The paper is of another store than the one whose key was given.")
    try:
        paper.signed.verify(SignatureKind.ATTESTATION, paper.public_key)
    except SignatureMismatchError as error:
        raise AttestationError("The attestation in the paper is not signed by its store.") from error
    return read_attestation(paper.signed.document)


def _head(kind: str, signed: SignedDocument, public_key: bytes) -> dict[str, object]:
    return {
        "format_version": _FORMAT_VERSION,
        "kind": f"attestation-{kind}",
        "attestation": json.loads(signed.document),
        "signature": signed.signature.hex(),
        "public_key": public_key.hex(),
    }


def _entry_to_plain(entry: LogEntryOpening) -> dict[str, object]:
    if entry.event is None or entry.salt is None:
        return {"leaf": entry.leaf.hex()}
    return {
        "leaf": entry.leaf.hex(),
        "salt": entry.salt.hex(),
        "event": json.loads(entry.event.canonical()),
    }


_Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Slot = Annotated[int, Field(ge=0, lt=1 << DEPTH)]
_Number = Annotated[int, Field(ge=0, lt=2**63)]
#: Microseconds before the year 10000.
_Moment = Annotated[int, Field(ge=0, lt=253_402_300_800_000_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _ConsentForm(_Strict):
    position: _Number
    root: _Hex32
    changes: _Number
    now: _Moment
    tolerance: _Number
    longest_validity: _Number | None
    salt: _Hex32


class _CohortForm(_Strict):
    slot: _Slot
    customer: Annotated[int, Field(ge=1, lt=2**63)]
    purposes: list[str]
    salt: _Hex32

    def to_entry(self) -> CohortEntry:
        return CohortEntry(
            slot=self.slot,
            customer=self.customer,
            purposes=frozenset(Purpose(each) for each in self.purposes),
            salt=bytes.fromhex(self.salt),
        )


class _ErasedForm(_Strict):
    slot: _Slot
    leaf: _Hex32


class _EntryForm(_Strict):
    leaf: _Hex32
    salt: _Hex32 | None = None
    event: dict[str, JsonValue] | None = None


class _HeadForm(_Strict):
    format_version: Annotated[int, Field(ge=_FORMAT_VERSION, le=_FORMAT_VERSION)]
    attestation: dict[str, JsonValue]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    public_key: _Hex32

    @property
    def signed(self) -> SignedDocument:
        return SignedDocument(
            kind=SignatureKind.ATTESTATION,
            document=canonical_json(self.attestation),
            signature=bytes.fromhex(self.signature),
        )


class _OpeningForm(_HeadForm):
    kind: Literal["attestation-opening"]
    consent: _ConsentForm
    policy: dict[str, JsonValue]
    pad_key: _Hex32
    cohort: list[_CohortForm]
    erased: list[_ErasedForm]
    entries: list[_EntryForm]


class _ProofForm(_HeadForm):
    kind: Literal["attestation-proof"]
    slot: _Slot
    customer: Annotated[int, Field(ge=1, lt=2**63)]
    purposes: list[str]
    salt: _Hex32
    path: Annotated[list[_Hex32], Field(min_length=DEPTH, max_length=DEPTH)]


def _opening(form: _OpeningForm) -> AttestationOpening:
    consent = form.consent
    canonical_json(form.policy)  # what has no bytes has no hash either
    slots = [*(each.slot for each in form.cohort), *(each.slot for each in form.erased)]
    if len(set(slots)) != len(slots):
        raise AttestationError("Two leaves of the cohort stand at one place.")
    return AttestationOpening(
        signed=form.signed,
        public_key=bytes.fromhex(form.public_key),
        basis=ConsentBasis(
            position=consent.position,
            root=bytes.fromhex(consent.root),
            changes=consent.changes,
            time=ConsentTime(
                now=consent.now, tolerance=consent.tolerance, longest_validity=consent.longest_validity
            ),
        ),
        consent_salt=bytes.fromhex(consent.salt),
        policy=dict(form.policy),
        pad_key=bytes.fromhex(form.pad_key),
        cohort=tuple(each.to_entry() for each in form.cohort),
        erased={each.slot: bytes.fromhex(each.leaf) for each in form.erased},
        entries=tuple(_entries(form.entries)),
    )


def _proof(form: _ProofForm) -> MembershipProof:
    return MembershipProof(
        signed=form.signed,
        public_key=bytes.fromhex(form.public_key),
        entry=CohortEntry(
            slot=form.slot,
            customer=form.customer,
            purposes=frozenset(Purpose(each) for each in form.purposes),
            salt=bytes.fromhex(form.salt),
        ),
        path=tuple(bytes.fromhex(each) for each in form.path),
    )


def _entries(forms: Iterable[_EntryForm]) -> Iterable[LogEntryOpening]:
    for position, form in enumerate(forms, start=1):
        leaf = bytes.fromhex(form.leaf)
        if form.salt is None or form.event is None:
            if form.salt is not None or form.event is not None:
                raise AttestationError(f"Entry {position} of the consent log is half open.")
            yield LogEntryOpening(leaf=leaf, event=None, salt=None)
            continue
        yield LogEntryOpening(leaf=leaf, event=_event(form.event, position), salt=bytes.fromhex(form.salt))


def _event(plain: Mapping[str, JsonValue], position: int) -> ConsentEvent:
    """Read an event from its canonical form; another spelling of it is refused."""
    values = dict(plain)
    for name in ("notice_sha256", "evidence_sha256"):
        value = values.get(name)
        values[name] = bytes.fromhex(value) if isinstance(value, str) else value  # type: ignore[assignment]  # read below
    customer = None if values.get("customer") == EVERYBODY else values.get("customer")
    order = "purpose channel act at valid_until method source notice_version language notice_sha256"
    names = (*order.split(), "evidence_sha256")
    event = read_event([values.get("event_id"), customer, *(values.get(name) for name in names)])
    if event.canonical() != canonical_json(plain):
        raise AttestationError(f"Entry {position} of the consent log is not in its one spelling.")
    return event
