"""A statement: what one release cost in privacy and does in fairness, signed, for a file on data protection.

It carries the charter and the manifest with the coordinator's signatures, and says nothing that does not
follow from them (`audit.statement_sections`), save results of audits of the code, which name their commit.
Whoever reads one makes it again and compares: no word of it has to be believed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.audit_results import AuditResults, AuditResultsFormat
from highstreet.audit.bias_gate import judge
from highstreet.audit.bias_override import check_override
from highstreet.audit.bias_report import BiasReport
from highstreet.audit.canonical import Json, canonical_json, read_canonical
from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import from_document
from highstreet.audit.claims import are_same, check_promise
from highstreet.audit.errors import StatementError
from highstreet.audit.manifest import Manifest
from highstreet.audit.released_noise import refuse_other_stddev
from highstreet.audit.scorecard import is_scorecard
from highstreet.audit.signing import (
    DOCUMENT_LIMIT_BYTES,
    SignatureKind,
    SignedDocument,
    public_key_bytes,
)
from highstreet.audit.statement_sections import sections
from highstreet.models.bias_rows import bias_coordinates
from highstreet.models.programme import measured_parts

__all__ = ["Maker", "Statement", "read_statement"]

_FORMAT_VERSION = 1


class Maker(StrEnum):
    """Who made a statement, and so what they checked.

    The coordinator has the release it published. A store has one that it took into use: it checked the
    model's hash, and that the figures on bias are those of the model itself.
    """

    COORDINATOR = "coordinator"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, whose charter and manifest belong together.

    Attributes:
        made_at: UTC, YYYY-MM-DDTHH:MM:SSZ.
        maker: who made it.
        maker_key: raw Ed25519 public key, 32 bytes, that it is signed by.
        coordinator_key: the same of the coordinator; signed charter and manifest.
        charter, manifest: as the coordinator signed them.
        audit: results of privacy audits of the code; None: none were given.

    Raises:
        AuditError: a signature does not match, or a document cannot be read.
        StatementError: the manifest is not one under this charter, or contradicts itself.
    """

    made_at: str
    maker: Maker
    maker_key: bytes
    coordinator_key: bytes
    charter: SignedDocument
    manifest: SignedDocument
    audit: AuditResults | None = None

    def __post_init__(self) -> None:
        self.charter.verify(SignatureKind.CHARTER, self.coordinator_key)
        self.manifest.verify(SignatureKind.RELEASE, self.coordinator_key)
        if self.maker is Maker.COORDINATOR and self.maker_key != self.coordinator_key:
            raise StatementError("The statement names the coordinator as its maker, with another key.")
        _refuse_unfit(from_document(self.charter.document), Manifest.from_document(self.manifest.document))

    @property
    def number(self) -> int:
        """Of the release."""
        return Manifest.from_document(self.manifest.document).number

    def says(self) -> dict[str, Json]:
        """Return what it says, by section, as plain values."""
        charter = from_document(self.charter.document)
        return sections(charter, Manifest.from_document(self.manifest.document), self.audit)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as they are signed."""
        return {
            "format_version": _FORMAT_VERSION,
            "made_at": self.made_at,
            "maker": self.maker.value,
            "maker_key": self.maker_key.hex(),
            "coordinator_key": self.coordinator_key.hex(),
            "charter": _plain(self.charter),
            "manifest": _plain(self.manifest),
            "audit": None if self.audit is None else _audit_to_dict(self.audit),
            "says": self.says(),
        }

    def signed(self, key: Ed25519PrivateKey) -> SignedDocument:
        """Sign it.

        Raises:
            StatementError: the key is not the maker's, or it came out larger than a signed document may be.
        """
        if public_key_bytes(key) != self.maker_key:
            raise StatementError("A statement is signed by its maker.")
        signed = SignedDocument.create(SignatureKind.STATEMENT, self.to_dict(), key)
        if len(signed.document) > DOCUMENT_LIMIT_BYTES:
            raise StatementError(
                "The statement is larger than a signed document may be.",
                next_step="Leave the audit's results out.",
            )
        return signed


def read_statement(signed: SignedDocument) -> Statement:
    """Return a statement of which every word follows from what the coordinator signed.

    Whose keys it names is for the reader to say: a member knows the coordinator's, a roster has the stores'.

    Raises:
        AuditError: a signature does not match, or a part cannot be read.
        StatementError: it says something that does not follow, or another version of Highstreet made it.
    """
    values = read_canonical(signed.document, limit_bytes=DOCUMENT_LIMIT_BYTES)
    try:
        plain = _StatementFormat.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise StatementError(f"The statement is not valid: {place}: {problem['msg']}.") from error
    signed.verify(SignatureKind.STATEMENT, bytes.fromhex(plain.maker_key))
    statement = Statement(
        made_at=plain.made_at,
        maker=plain.maker,
        maker_key=bytes.fromhex(plain.maker_key),
        coordinator_key=bytes.fromhex(plain.coordinator_key),
        charter=plain.charter.to_signed(SignatureKind.CHARTER),
        manifest=plain.manifest.to_signed(SignatureKind.RELEASE),
        audit=None if plain.audit is None else plain.audit.to_results(),
    )
    if canonical_json(statement.to_dict()) != signed.document:
        raise StatementError(
            "The statement says something that does not follow from its charter and its manifest, or "
            "another version of Highstreet made it.",
            next_step="Have it made again, and check it with the version that made it.",
        )
    return statement


def _refuse_unfit(charter: Charter, manifest: Manifest) -> None:
    """Return only when the manifest is one that stores would take under this charter, by its own words."""
    reasons = (
        (manifest.coop_id != charter.coop.id, "another co-op"),
        (manifest.charter_sha256 != charter.sha256().hex(), "another charter"),
        (manifest.schema_sha256 != charter.plan.schema.sha256(), "another feature schema"),
        (manifest.noise is not charter.privacy.noise, "another place of the noise"),
        (not are_same(manifest.claims, check_promise(charter)), "other costs than the charter's phases have"),
        (manifest.participants < charter.rounds.cohort_floor, "fewer stores than the charter's floor"),
        (manifest.rung != charter.plan.rung, "another kind of model"),
        (manifest.bias is None and bool(charter.bias_limits.rules), "no verdict on the charter's rules"),
        (not _tells_quality(charter, manifest), "other figures of quality than any sums give"),
        (not _tells_bias(charter, manifest), "other figures on bias than its charter measures"),
    )
    for is_unfit, what in reasons:
        if is_unfit:
            raise StatementError(f"The release's manifest names {what}: no statement can be made of it.")
    _refuse_odd_noise(charter, manifest)
    if manifest.bias is not None:
        _refuse_odd_verdict(charter, manifest, manifest.bias)


def _tells_quality(charter: Charter, manifest: Manifest) -> bool:
    """Whether figures and intervals of quality follow from one another, where the charter measures them."""
    is_measured = any(phase.name == "evaluation" for phase in charter.plan.phases)
    return bool(manifest.evaluation) == is_measured and is_scorecard(manifest.evaluation)


def _tells_bias(charter: Charter, manifest: Manifest) -> bool:
    """Whether there are just the sums that the charter measures, and of no release but the one before."""
    parts, report = measured_parts(charter.plan), manifest.bias
    if report is None:
        return not parts
    names = set(bias_coordinates(parts)) if parts else None
    if (None if report.sums is None else set(report.sums.values)) != names:
        return False
    before = report.previous
    return before is None or (before.number == manifest.number - 1 and set(before.sums.values) == names)


def _refuse_odd_noise(charter: Charter, manifest: Manifest) -> None:
    """Return only when the intervals hold as much noise as the charter puts into the figures."""
    noise = {}
    if "noise_stddev" in manifest.evaluation:
        noise["evaluation"] = manifest.evaluation["noise_stddev"]
    if manifest.bias is not None and manifest.bias.sums is not None:
        noise["bias"] = manifest.bias.sums.stddev
    for phase, stddev in noise.items():
        refuse_other_stddev(charter, phase, stddev, participants=manifest.participants)
    before = None if manifest.bias is None else manifest.bias.previous
    if before is not None:  # of how many stores at least its own manifest says; never under the floor
        floor = charter.rounds.cohort_floor
        refuse_other_stddev(charter, "bias", before.sums.stddev, participants=floor)


def _refuse_odd_verdict(charter: Charter, manifest: Manifest, report: BiasReport) -> None:
    previous = None if report.previous is None else report.previous.sums
    own = judge(charter.bias_limits, report.sums, previous=previous, is_first=manifest.number == 1)
    if not own.is_alike(report.verdict):
        raise StatementError("The release's verdict on bias is not what its figures say.")
    if own.is_pass:
        if report.override is not None:
            raise StatementError("The release shows an override that it does not need.")
        return
    if report.override is None:
        raise StatementError("The release does not keep the rules on bias, and nobody has overridden them.")
    check_override(report.override, charter.bias_limits, own, wanted=manifest.unsigned_override())


def _plain(signed: SignedDocument) -> Json:
    value = read_canonical(signed.document, limit_bytes=DOCUMENT_LIMIT_BYTES)
    return {"document": value, "signature": signed.signature.hex()}


def _audit_to_dict(audit: AuditResults) -> dict[str, object]:
    return {
        **asdict(audit),
        "bounds": [asdict(each) for each in audit.bounds],
        "readings": [asdict(each) for each in audit.readings],
    }


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_HEX_KEY = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _SignedFormat(_Strict):
    document: dict[str, object]
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")

    def to_signed(self, kind: SignatureKind) -> SignedDocument:
        return SignedDocument(
            kind=kind, document=canonical_json(self.document), signature=bytes.fromhex(self.signature)
        )


class _StatementFormat(_Strict):
    format_version: int = Field(ge=_FORMAT_VERSION, le=_FORMAT_VERSION)
    made_at: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
    maker: Maker
    maker_key: _HEX_KEY
    coordinator_key: _HEX_KEY
    charter: _SignedFormat
    manifest: _SignedFormat
    audit: AuditResultsFormat | None
    says: dict[str, object]
