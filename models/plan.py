"""The plan of a programme as public data: its phases, their noise, every number of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType

from highstreet.models.errors import InvalidPlanError
from highstreet.models.schema import FeatureSchema

__all__ = ["ModelPlan", "PhaseKind", "PhasePlan"]

_MAX_PHASES = 64
_MAX_DIMENSION = 1 << 24


class PhaseKind(StrEnum):
    """How a phase's per-customer rows come about, and what the coordinator does with their noisy sum."""

    STATISTICS = "statistics"
    GRADIENT = "gradient"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePlan:
    """One exchange with every store, described before it is run.

    Attributes:
        index: position in the programme, from 0.
        name: what is summed, e.g. `popularity`; several gradient rounds share one name.
        kind: see PhaseKind.
        dimension: number of coordinates of a customer's row and of the sum.
        clipping_norm: L2 bound on one customer's row.
        noise_multiplier: noise stddev over clipping norm; 0 means no privacy and is for the lab only.
        sampling_rate: chance that a customer takes part in this phase.
        params: further public numbers of this phase.
    """

    index: int
    name: str
    kind: PhaseKind
    dimension: int
    clipping_norm: float
    noise_multiplier: float
    sampling_rate: float = 1.0
    params: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", _frozen_numbers(self.params, f"phase {self.name}"))
        sound = (
            self.index >= 0
            and 0 < len(self.name) <= 64
            and 0 < self.dimension <= _MAX_DIMENSION
            and _finite(self.clipping_norm, self.noise_multiplier, self.sampling_rate)
            and self.clipping_norm > 0
            and self.noise_multiplier >= 0
            and 0 < self.sampling_rate <= 1
        )
        if not sound:
            raise InvalidPlanError(f"Phase {self.index} ({self.name}) has a number out of range.")

    @property
    def noise_stddev(self) -> float:
        """Noise one full mechanism adds per coordinate, in the unit of the sum."""
        return self.noise_multiplier * self.clipping_norm

    def to_dict(self) -> dict[str, object]:
        """Return plain values only, fit for TOML, JSON and the wire."""
        plain: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**plain, "kind": self.kind.value, "params": dict(self.params)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, object]) -> PhasePlan:
        """Build a phase from plain values; unknown keys, missing keys and wrong types are refused."""
        _same_keys(plain, {f.name for f in fields(cls)}, "A phase")
        kind = _text(plain, "kind")
        if kind not in set(PhaseKind):
            raise InvalidPlanError(f"The phase kind {kind!r} is not known.")
        return cls(
            index=_whole(plain, "index"),
            name=_text(plain, "name"),
            kind=PhaseKind(kind),
            dimension=_whole(plain, "dimension"),
            clipping_norm=_number(plain, "clipping_norm"),
            noise_multiplier=_number(plain, "noise_multiplier"),
            sampling_rate=_number(plain, "sampling_rate"),
            params=_numbers(plain, "params"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """A whole programme as public data; what a charter carries.

    Attributes:
        schema: the public feature space.
        rung: name of the model family; see `highstreet.models.programme.RUNG`.
        phases: in the order they run; phase i has index i.
        clients_per_store: public constant that sums are divided by, times the number of stores.
        params: public numbers of the model; see `highstreet.models.settings.Settings`.
    """

    schema: FeatureSchema
    rung: str
    phases: tuple[PhasePlan, ...]
    clients_per_store: int
    params: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", _frozen_numbers(self.params, "the model"))
        if not 0 < len(self.phases) <= _MAX_PHASES:
            raise InvalidPlanError(f"A programme has 1 to {_MAX_PHASES} phases, not {len(self.phases)}.")
        if [phase.index for phase in self.phases] != list(range(len(self.phases))):
            raise InvalidPlanError("The phases of a programme must be numbered 0, 1, 2, ... in order.")
        if self.clients_per_store < 1:
            raise InvalidPlanError("The number of customers per store must be at least 1.")

    def to_dict(self) -> dict[str, object]:
        """Return plain values only, fit for TOML, JSON and the wire."""
        return {
            "schema": self.schema.to_dict(),
            "rung": self.rung,
            "phases": [phase.to_dict() for phase in self.phases],
            "clients_per_store": self.clients_per_store,
            "params": dict(self.params),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, object]) -> ModelPlan:
        """Build a plan from plain values; unknown keys, missing keys and wrong types are refused."""
        _same_keys(plain, {f.name for f in fields(cls)}, "A model plan")
        phases = plain["phases"]
        if not isinstance(phases, list | tuple):
            raise InvalidPlanError("The phases of a model plan must be a list.")
        return cls(
            schema=FeatureSchema.from_dict(_table(plain, "schema")),
            rung=_text(plain, "rung"),
            phases=tuple(PhasePlan.from_dict(_table({"phase": phase}, "phase")) for phase in phases),
            clients_per_store=_whole(plain, "clients_per_store"),
            params=_numbers(plain, "params"),
        )


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)


def _frozen_numbers(params: Mapping[str, float], where: str) -> Mapping[str, float]:
    if not _finite(*params.values()):
        raise InvalidPlanError(f"A parameter of {where} is not a finite number.")
    return MappingProxyType(dict(sorted(params.items())))


def _same_keys(plain: Mapping[str, object], names: set[str], what: str) -> None:
    odd = sorted(map(str, set(plain) ^ names))
    if odd:
        raise InvalidPlanError(f"{what} has unknown or missing entries: {', '.join(odd)}.")


def _text(plain: Mapping[str, object], name: str) -> str:
    value = plain[name]
    if not isinstance(value, str):
        raise InvalidPlanError(f"The entry {name} must be text.")
    return value


def _whole(plain: Mapping[str, object], name: str) -> int:
    value = plain[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidPlanError(f"The entry {name} must be a whole number.")
    return value


def _number(plain: Mapping[str, object], name: str) -> float:
    value = plain[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidPlanError(f"The entry {name} must be a number.")
    return float(value)


def _table(plain: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = plain[name]
    if not isinstance(value, Mapping):
        raise InvalidPlanError(f"The entry {name} must be a table.")
    return value


def _numbers(plain: Mapping[str, object], name: str) -> dict[str, float]:
    table = _table(plain, name)
    return {key: _number(table, key) for key in table}
