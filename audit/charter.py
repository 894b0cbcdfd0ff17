"""The charter: what a co-op agreed to do with its members' customers, as data that is signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from highstreet.audit.bias_rules import BiasLimits
from highstreet.audit.canonical import canonical_json
from highstreet.models.plan import ModelPlan
from highstreet.privacy.releases import Neighbouring, NoisePlacement, PrivacyUnit, Weighting

__all__ = [
    "COOP_LEARNING",
    "MATCHING",
    "Charter",
    "CoopIdentity",
    "FormatVersions",
    "MatchingTerms",
    "PrivacyTerms",
    "RoundTerms",
]

#: The purpose a customer must have agreed to before a round may use their purchases.
COOP_LEARNING = "coop_learning"
#: The purpose a customer must have agreed to as well before private matching may use their identifier.
MATCHING = "matching"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoopIdentity:
    """Which co-op this is.

    Attributes:
        id: 32 hex digits drawn when the co-op was made; binds messages and releases to it.
        name: what people call it.
        created: day it was made, YYYY-MM-DD.
    """

    id: str
    name: str
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyTerms:
    """What the members promise their customers.

    Attributes:
        epsilon, delta: guarantee for the privacy unit over any period, all trainings in it together; at least
            what the phases cost once. Stores refuse rounds that would go beyond.
        privacy_unit, neighbouring: whose data changes, and how: a customer's of one shop, or a person's in up
            to `shops_per_person` shops.
        weighting: by what contributions are multiplied; WHOLE for customers, one of the others for persons.
        period_days: length of the period the guarantee is for; a sliding one.
        shops_per_person: K, the most member shops one person uses; the claim for a person is for so many.
        noise: where the noise of a round is added.
    """

    epsilon: float
    delta: float
    privacy_unit: PrivacyUnit = PrivacyUnit.CUSTOMER_AT_STORE
    neighbouring: Neighbouring = Neighbouring.ADD_OR_REMOVE
    weighting: Weighting = Weighting.WHOLE
    period_days: int = 365
    shops_per_person: int = 4
    noise: NoisePlacement = NoisePlacement.ONCE_IN_SUM


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTerms:
    """How a round is held.

    Attributes:
        cohort_floor: fewest stores whose sums may be used together.
        quorum: smallest share of the members that must have answered, in (0, 1].
        deadline_seconds: how long a round stays open.
        colluders: c, the most members that may work with the coordinator; below the cohort floor.
        committee_size: most members that hold the shares of a round's sum, 3 to 9.
    """

    cohort_floor: int = 3
    quorum: float = 0.5
    deadline_seconds: int = 600
    colluders: int = 1
    committee_size: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingTerms:
    """How members count at how many of them each of their customers shops (docs/matching.md).

    Attributes:
        identifiers_per_store: the most customers of a store who take part in a matching.
        identifier_kind: `email` or `loyalty-number`; what a customer's identifier is.
        period_days: a store takes part in one matching in so many days.
    """

    identifiers_per_store: int = 1000
    identifier_kind: str = "email"
    period_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatVersions:
    """Versions of what is written and sent under this charter."""

    charter: int = 1
    rounds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """A whole charter. Two charters are the same when their hashes are.

    Attributes:
        coop: which co-op.
        purposes: what members' data may be used for; rounds need COOP_LEARNING, private matching needs
            MATCHING too.
        plan: the programme and, in it, the feature schema.
        privacy: what is promised.
        rounds: how a round is held.
        bias_limits: rules a release must keep, and who can override them.
        versions: formats in use.
        matching: how customers are matched; None: they are not.
    """

    coop: CoopIdentity
    purposes: tuple[str, ...]
    plan: ModelPlan
    privacy: PrivacyTerms
    rounds: RoundTerms = field(default_factory=RoundTerms)
    bias_limits: BiasLimits = field(default_factory=BiasLimits)
    versions: FormatVersions = field(default_factory=FormatVersions)
    matching: MatchingTerms | None = None

    def __post_init__(self) -> None:
        # Numbers that came as 1 and as 1.0 must not make two charters of one.
        object.__setattr__(self, "plan", ModelPlan.from_dict(self.plan.to_dict()))
        rules = tuple(replace(rule, limit=float(rule.limit)) for rule in self.bias_limits.rules)
        object.__setattr__(self, "bias_limits", replace(self.bias_limits, rules=rules))

    def to_dict(self) -> dict[str, object]:
        """Return plain values by section: what is written as TOML for people and signed as canonical JSON."""
        plan = self.plan.to_dict()
        schema = plan.pop("schema")
        matching = {} if self.matching is None else {"matching": self._matching_section(self.matching)}
        return {
            "coop": {"id": self.coop.id, "name": self.coop.name, "created": self.coop.created},
            "purposes": {"allowed": list(self.purposes)},
            "privacy": {
                "epsilon": float(self.privacy.epsilon),
                "delta": float(self.privacy.delta),
                "privacy_unit": self.privacy.privacy_unit.value,
                "neighbouring": self.privacy.neighbouring.value,
                "weighting": self.privacy.weighting.value,
                "period_days": self.privacy.period_days,
                "shops_per_person": self.privacy.shops_per_person,
                "noise": self.privacy.noise.value,
            },
            "rounds": {
                "cohort_floor": self.rounds.cohort_floor,
                "quorum": float(self.rounds.quorum),
                "deadline_seconds": self.rounds.deadline_seconds,
                "colluders": self.rounds.colluders,
                "committee_size": self.rounds.committee_size,
            },
            **matching,
            "bias_limits": self.bias_limits.to_dict(),
            "versions": {"charter": self.versions.charter, "rounds": self.versions.rounds},
            "schema": schema,
            "programme": plan,
        }

    @staticmethod
    def _matching_section(terms: MatchingTerms) -> dict[str, object]:
        return {
            "identifiers_per_store": terms.identifiers_per_store,
            "identifier_kind": terms.identifier_kind,
            "period_days": terms.period_days,
        }

    def document(self) -> bytes:
        """Return the canonical bytes that are signed."""
        return canonical_json(self.to_dict())

    def sha256(self) -> bytes:
        """Return the 32-byte SHA-256 of the signed bytes; every round and release names it."""
        return hashlib.sha256(self.document()).digest()
