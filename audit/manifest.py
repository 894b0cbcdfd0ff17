"""The manifest of a release: what was released, under which rules, at what price, as data that is signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.bias_override import Override
from highstreet.audit.bias_report import BiasReport, BiasReportFormat
from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.errors import ManifestError
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES
from highstreet.privacy.claims import Claim, TwoClaims
from highstreet.privacy.releases import Neighbouring, NoisePlacement, PrivacyUnit, Weighting

__all__ = ["Manifest"]

_HEX_SHA256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_METRIC_NAME = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_./@-]{0,63}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a release says about itself. All hashes are SHA-256 in hex.

    Attributes:
        number: 1, 2, 3, ... in one co-op; a store never goes back to a smaller one by itself.
        previous_sha256: of the manifest before; 64 zeros for the first.
        created: UTC, YYYY-MM-DDTHH:MM:SSZ.
        coop_id: which co-op.
        programme_id: which training.
        rounds: number of rounds it took.
        participants: fewest stores that any of its sums holds; at least the charter's cohort floor.
        rung: the model family.
        model_sha256, model_bytes: of the safetensors file.
        schema_sha256, charter_sha256, roster_sha256: what it was made under.
        claims: what it cost: for a customer of one shop, and for a person of up to k shops.
        noise: where the noise was added.
        evaluation: noisy, released metrics of it by name, with their noise and intervals (`audit.scorecard`);
            nothing that cost no privacy and is not constant.
        bias: what it measured of bias, and the verdict; None where its charter has no rules and measures
            nothing.
    """

    number: int
    previous_sha256: str
    created: str
    coop_id: str
    programme_id: str
    rounds: int
    participants: int
    rung: str
    model_sha256: str
    model_bytes: int
    schema_sha256: str
    charter_sha256: str
    roster_sha256: str
    claims: TwoClaims
    noise: NoisePlacement
    evaluation: Mapping[str, float] = field(default_factory=dict)
    bias: BiasReport | None = None

    def __post_init__(self) -> None:
        metrics = {name: float(value) for name, value in sorted(self.evaluation.items())}
        object.__setattr__(self, "evaluation", MappingProxyType(metrics))

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as they are signed."""
        return {
            "format_version": 1,
            "number": self.number,
            "previous_sha256": self.previous_sha256,
            "created": self.created,
            "coop_id": self.coop_id,
            "programme_id": self.programme_id,
            "rounds": self.rounds,
            "participants": self.participants,
            "model": {"rung": self.rung, "sha256": self.model_sha256, "bytes": self.model_bytes},
            "schema_sha256": self.schema_sha256,
            "charter_sha256": self.charter_sha256,
            "roster_sha256": self.roster_sha256,
            "privacy": {
                "customer_at_store": _claim_to_dict(self.claims.customer),
                "person": {
                    **_claim_to_dict(self.claims.person),
                    "stores": self.claims.person.k,
                    "weighting": self.claims.person.weighting.value,
                },
                "noise": self.noise.value,
            },
            "evaluation": dict(self.evaluation),
            **({} if self.bias is None else {"bias": self.bias.to_dict()}),
        }

    def unsigned_override(self) -> Override:
        """Return what an override of this release must be about; it has no rules, reason or signatures."""
        return Override(
            coop_id=self.coop_id,
            programme_id=self.programme_id,
            number=self.number,
            previous_sha256=self.previous_sha256,
            model_sha256=self.model_sha256,
            charter_sha256=self.charter_sha256,
            rules={},
            reason="",
            created="",
        )

    def document(self) -> bytes:
        """Return the canonical bytes that are signed."""
        return canonical_json(self.to_dict())

    def sha256(self) -> str:
        """Return the SHA-256 of the signed bytes in hex; the next manifest names it."""
        return hashlib.sha256(self.document()).hexdigest()

    @classmethod
    def from_document(cls, document: bytes) -> Manifest:
        """Read signed bytes.

        Raises:
            UnreadableDocumentError: not canonical JSON.
            ManifestError: an entry is unknown, missing, out of range or spelled in another way.
        """
        values = read_canonical(document, limit_bytes=DOCUMENT_LIMIT_BYTES)
        try:
            manifest = _ManifestFormat.model_validate(values).to_manifest()
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(part) for part in problem["loc"])
            raise ManifestError(f"The release's manifest is not valid: {place}: {problem['msg']}.") from error
        if manifest.document() != document:
            raise ManifestError("The release's manifest spells a value in a way that is not its own.")
        return manifest


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _ModelFormat(_Strict):
    rung: str = Field(pattern=r"^[a-z0-9_-]{1,64}$")
    sha256: _HEX_SHA256
    bytes: int = Field(ge=1, le=256 << 20)


class _ClaimFormat(_Strict):
    epsilon: float = Field(gt=0)
    delta: float = Field(gt=0, lt=1)
    neighbouring: Neighbouring

    def to_claim(self) -> Claim:
        return Claim(
            epsilon=self.epsilon,
            delta=self.delta,
            unit=PrivacyUnit.CUSTOMER_AT_STORE,
            neighbouring=self.neighbouring,
        )


class _PersonFormat(_ClaimFormat):
    stores: int = Field(ge=1, le=1000)
    weighting: Weighting

    def to_claim(self) -> Claim:
        return replace(super().to_claim(), unit=PrivacyUnit.PERSON, k=self.stores, weighting=self.weighting)


class _PrivacyFormat(_Strict):
    customer_at_store: _ClaimFormat
    person: _PersonFormat
    noise: NoisePlacement


class _ManifestFormat(_Strict):
    format_version: int = Field(ge=1, le=1)
    number: int = Field(ge=1, le=2**31)
    previous_sha256: _HEX_SHA256
    created: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
    coop_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    programme_id: str = Field(pattern=r"^[0-9a-f]{1,64}$")
    rounds: int = Field(ge=1, le=10_000)
    participants: int = Field(ge=1, le=100_000)
    model: _ModelFormat
    schema_sha256: _HEX_SHA256
    charter_sha256: _HEX_SHA256
    roster_sha256: _HEX_SHA256
    privacy: _PrivacyFormat
    evaluation: dict[_METRIC_NAME, float] = Field(max_length=256)
    bias: BiasReportFormat | None = None

    def to_manifest(self) -> Manifest:
        plain = self.model_dump(exclude={"format_version", "model", "privacy", "bias"})
        return Manifest(
            **plain,
            rung=self.model.rung,
            model_sha256=self.model.sha256,
            model_bytes=self.model.bytes,
            claims=TwoClaims(
                customer=self.privacy.customer_at_store.to_claim(),
                person=self.privacy.person.to_claim(),
            ),
            noise=self.privacy.noise,
            bias=None if self.bias is None else self.bias.to_report(),
        )


def _claim_to_dict(claim: Claim) -> dict[str, object]:
    return {
        "epsilon": float(claim.epsilon),
        "delta": float(claim.delta),
        "neighbouring": claim.neighbouring.value,
    }
