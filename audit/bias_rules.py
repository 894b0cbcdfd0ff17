"""The rules a release must keep: what is measured, of whom, beside what, and how far it may be off.

A rule is data in the charter, agreed to before anything was measured. `audit.bias_gate` judges by it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.errors import CharterError
from highstreet.models.bias_rows import EXPOSURE
from highstreet.models.customer_groups import ATTRIBUTES

__all__ = [
    "BiasLimits",
    "BiasRule",
    "Comparison",
    "Direction",
    "Metric",
    "Overrider",
    "refuse_odd_limits",
    "refuse_unmeasured",
    "usual_rules",
]


class Metric(StrEnum):
    """A figure of a release; see docs/bias.md for the definitions and their sources."""

    NDCG_ALL = "ndcg_at_10_all"
    NDCG_NOVEL = "ndcg_at_10_novel"
    SMALL_SUPPLIERS = "small_suppliers"
    PRIVATE_LABEL = "private_label"
    PRICE_LOW = "price_low"
    PRICE_MIDDLE = "price_middle"
    PRICE_HIGH = "price_high"
    TAIL = "tail"
    CONCENTRATION = "concentration"
    MISCALIBRATION = "miscalibration"

    @property
    def is_quality(self) -> bool:
        """Whether it says how well customers are served, group by group; else which products are shown."""
        return self in {Metric.NDCG_ALL, Metric.NDCG_NOVEL}


class Comparison(StrEnum):
    """What a figure is held against; the rule's value is the figure less this."""

    NOTHING = "nothing"
    POPULARITY = "popularity"
    PREVIOUS = "previous"
    OTHERS = "others"
    PURCHASES = "purchases"


class Direction(StrEnum):
    """On which side of the limit the value must lie."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


#: What each kind of figure can be held against.
_OF_QUALITY = frozenset({Comparison.NOTHING, Comparison.POPULARITY, Comparison.PREVIOUS, Comparison.OTHERS})
_OF_PRODUCTS = frozenset(
    {Comparison.NOTHING, Comparison.POPULARITY, Comparison.PREVIOUS, Comparison.PURCHASES}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasRule:
    """One rule: the value of every group, or of all lists, must lie on one side of a limit.

    Attributes:
        name: within the charter.
        metric: the figure.
        groups: an attribute of customers, each of whose groups is held to the limit; empty for figures of
            products.
        comparison: what is taken off the figure.
        direction: where the value must lie.
        limit: in the unit of the figure, -1 to 1.
    """

    name: str
    metric: Metric
    groups: str
    comparison: Comparison
    direction: Direction
    limit: float

    @property
    def part(self) -> str:
        """The part of the bias phase that measures it."""
        return self.groups if self.metric.is_quality else EXPOSURE

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as a charter carries them."""
        return {
            "name": self.name,
            "metric": self.metric.value,
            "groups": self.groups,
            "comparison": self.comparison.value,
            "direction": self.direction.value,
            "limit": float(self.limit),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrider:
    """Somebody whom the members let release what a rule blocks, together with another.

    Attributes:
        name: as people know them.
        public_key: raw Ed25519 in hex.
    """

    name: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasLimits:
    """The charter's section on bias.

    Attributes:
        rules: a release must keep them all; without any, nothing is judged.
        people: who can override, two together; without any, nobody can.
        minimum_group: fewest customers a group must surely have to be judged by itself.
    """

    rules: tuple[BiasRule, ...] = ()
    people: tuple[Overrider, ...] = ()
    minimum_group: int = 20

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as a charter carries them."""
        return {
            "minimum_group": self.minimum_group,
            "rules": [rule.to_dict() for rule in self.rules],
            "people": [{"name": one.name, "public_key": one.public_key} for one in self.people],
        }


def usual_rules(measured: Collection[str]) -> tuple[BiasRule, ...]:
    """Return rules to start from for what is measured; limits are for the members to argue about.

    Each group must not be served clearly worse than by popularity alone, nor fall far behind the release
    before; lists must not show much less of small suppliers than customers buy, nor be further from what
    customers buy than popularity is.
    """
    rules = []
    for name in (part for part in ATTRIBUTES if part in measured):
        for comparison, limit in ((Comparison.POPULARITY, -0.05), (Comparison.PREVIOUS, -0.1)):
            rules.append(
                BiasRule(
                    name=f"{name}_against_{comparison.value}",
                    metric=Metric.NDCG_ALL,
                    groups=name,
                    comparison=comparison,
                    direction=Direction.AT_LEAST,
                    limit=limit,
                )
            )
    if EXPOSURE in measured:
        for metric, comparison, direction, limit in (
            (Metric.SMALL_SUPPLIERS, Comparison.PURCHASES, Direction.AT_LEAST, -0.2),
            (Metric.MISCALIBRATION, Comparison.POPULARITY, Direction.AT_MOST, 0.05),
        ):
            rules.append(
                BiasRule(
                    name=f"{metric.value}_against_{comparison.value}",
                    metric=metric,
                    groups="",
                    comparison=comparison,
                    direction=direction,
                    limit=limit,
                )
            )
    return tuple(rules)


def refuse_odd_limits(limits: BiasLimits) -> None:
    """Return only when every rule can be judged, and overriding takes two different people.

    Raises:
        CharterError: naming the rule or the person.
    """
    names = [rule.name for rule in limits.rules]
    if len(set(names)) != len(names):
        raise CharterError("The charter's bias_limits have two rules of one name.")
    for rule in limits.rules:
        _refuse_odd_rule(rule)
    people = {one.name for one in limits.people}, {one.public_key for one in limits.people}
    if any(len(distinct) != len(limits.people) for distinct in people):
        raise CharterError("The charter's bias_limits name one person, or one key, twice.")
    if len(limits.people) == 1:
        raise CharterError(
            "The charter's bias_limits name one person; an override takes two.",
            next_step="Name another one, or nobody.",
        )


def refuse_unmeasured(limits: BiasLimits, measured: Collection[str]) -> None:
    """Return only when the programme measures what every rule is about.

    Args:
        limits: of the charter.
        measured: parts of its bias phase.

    Raises:
        CharterError: naming the rule and the part that is missing.
    """
    for rule in limits.rules:
        if rule.part not in measured:
            raise CharterError(
                f"The charter's bias rule {rule.name} is about {rule.part}, which no phase measures.",
                next_step=f"Add {rule.part} = 1.0 to the params of a phase named bias, or drop the rule.",
            )


def _refuse_odd_rule(rule: BiasRule) -> None:
    if rule.metric.is_quality and rule.groups not in ATTRIBUTES:
        raise CharterError(
            f"The charter's bias rule {rule.name} needs groups of customers.",
            next_step=f"Its groups can be: {', '.join(ATTRIBUTES)}.",
        )
    if not rule.metric.is_quality and rule.groups:
        raise CharterError(f"The charter's bias rule {rule.name} is about products and takes no groups.")
    allowed = _OF_QUALITY if rule.metric.is_quality else _OF_PRODUCTS
    is_odd = rule.metric is Metric.MISCALIBRATION and rule.comparison is Comparison.PURCHASES
    if rule.comparison not in allowed or is_odd:
        raise CharterError(
            f"The charter's bias rule {rule.name} cannot compare {rule.metric.value} with "
            f"{rule.comparison.value}."
        )
    if not -1.0 <= rule.limit <= 1.0:
        raise CharterError(f"The charter's bias rule {rule.name} has a limit beyond -1 to 1.")
