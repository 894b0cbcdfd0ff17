"""A store's own limits: what it takes part in, whatever a charter or a coordinator asks."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from highstreet.audit.charter import Charter
from highstreet.audit.claims import check_promise, claims_of
from highstreet.audit.errors import CharterExceedsLimitsError, CharterNotRunnableError
from highstreet.models.errors import ModelsError
from highstreet.models.features import FEATURES
from highstreet.models.programme import check_plan
from highstreet.models.settings import Settings
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import PrivacyUnit

__all__ = ["StoreLimits", "refuse_over_limits", "spending_limits"]

#: With none, every participant could take its own share of the noise out of a sum.
_LEAST_COLLUDERS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What one store allows at most. Set by its owner only; nothing from outside relaxes them.

    Attributes:
        max_epsilon, delta: privacy loss per customer and period; per person where that is promised.
        period_days: the period of that budget.
        min_cohort_floor: fewest stores a round must have.
        max_phases, max_dimension: size of a programme.
        max_state_bytes: size of a model state or release.
        max_example_numbers: numbers in one customer's training example: candidates x snapshots x features. A
            batch holds up to 256 customers' at once, in double precision.
        purposes: what customers' data may be used for through a co-op.
        max_matching_delta: what one matching may add to the delta of the claim for a person
            (`privacy.matching.TableShape.influence`).
        require_person_unit: whether the promise must be to a person over all shops, not to a customer of one.
    """

    max_epsilon: float
    delta: float
    period_days: int
    min_cohort_floor: int
    max_phases: int
    max_dimension: int
    max_state_bytes: int
    purposes: tuple[str, ...]
    max_example_numbers: int = 1 << 18
    max_matching_delta: float = 1e-5
    require_person_unit: bool = False


def spending_limits(limits: StoreLimits, charter: Charter | None) -> SpendingLimits:
    """Return what the ledger holds releases to: the store's own budget, and the one the charter promises."""
    own = Budget(epsilon=limits.max_epsilon, delta=limits.delta, period_days=limits.period_days)
    if charter is None:
        return SpendingLimits(budget=own)
    terms = charter.privacy
    promised = Budget(epsilon=terms.epsilon, delta=terms.delta, period_days=terms.period_days)
    return SpendingLimits(budget=own, promised=promised)


def refuse_over_limits(charter: Charter, limits: StoreLimits) -> None:
    """Return only when the charter keeps its own promise and asks for no more than the store allows.

    The cost is recomputed from the charter's phases at the store's delta; its own figure is not trusted.

    Raises:
        EpsilonClaimError: the charter promises less privacy loss than its phases cost.
        CharterError: the charter contradicts itself in another way; see `check_promise`.
        CharterNotRunnableError: this version cannot compute what the charter plans.
        CharterExceedsLimitsError: with every limit that is exceeded, in one sentence.
    """
    check_promise(charter)
    settings = _runnable(charter)
    problems = list(_problems(charter, settings, limits))
    if problems:
        raise CharterExceedsLimitsError(
            f"This co-op's charter asks for more than this store allows: {'; '.join(problems)}.",
            next_step="Nothing was joined or sent. Ask the coordinator for a charter within these limits, or "
            "change them yourself in store.toml.",
        )


def _runnable(charter: Charter) -> Settings:
    try:
        return check_plan(charter.plan)
    except ModelsError as error:
        raise CharterNotRunnableError(
            f"This version of Highstreet cannot train what this co-op's charter plans: {error.what}",
            next_step="Nothing was joined or sent. Update Highstreet, or ask the coordinator for another "
            "charter.",
        ) from error


def _smallest_table(charter: Charter) -> tuple[int, Fraction]:
    """Describe the table of a matching of as few stores as there can be; zeros without matchings.

    Returns:
        Its numbers, and what it adds to the delta of a person's claim.

    Raises:
        CharterError: not even so few can be matched.
    """
    if charter.matching is None:
        return 0, Fraction(0)
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.audit.matchings import (
        fewest_participants,
        influence_of,
        refuse_impossible_matching,
        table_release,
    )

    fewest = fewest_participants(charter)
    refuse_impossible_matching(charter, participants=fewest)
    dimension = int(table_release(charter, participants=fewest).dimension)
    return dimension, influence_of(charter, participants=fewest)


def _problems(charter: Charter, settings: Settings, limits: StoreLimits) -> list[str]:
    terms = charter.privacy
    promised = claims_of(charter, delta=limits.delta).about(terms.privacy_unit)
    cost = max(promised.epsilon, terms.epsilon)
    largest = max(phase.dimension for phase in charter.plan.phases)
    table, table_delta = _smallest_table(charter)
    foreign = sorted(set(charter.purposes) - set(limits.purposes))
    example = settings.candidates * settings.snapshots * len(FEATURES)
    found = [
        (
            cost > limits.max_epsilon,
            f"a privacy loss of epsilon {cost:.3g} (delta {limits.delta:g}) for {promised.for_whom}, "
            f"over the {limits.max_epsilon:g} allowed",
        ),
        (
            limits.require_person_unit and terms.privacy_unit is not PrivacyUnit.PERSON,
            "a promise to customers of one shop, where one to a person over all shops is required",
        ),
        (
            terms.period_days < limits.period_days,
            f"a budget every {terms.period_days} days, where one per {limits.period_days} days is allowed",
        ),
        (
            charter.rounds.cohort_floor < limits.min_cohort_floor,
            f"rounds with {charter.rounds.cohort_floor} stores, under the {limits.min_cohort_floor} required",
        ),
        (
            charter.rounds.colluders < _LEAST_COLLUDERS,
            "noise and committees that no member may collude against",
        ),
        (
            len(charter.plan.phases) > limits.max_phases,
            f"{len(charter.plan.phases)} phases, over the {limits.max_phases} allowed",
        ),
        (
            largest > limits.max_dimension,
            f"{largest} numbers in a phase, over the {limits.max_dimension} allowed",
        ),
        (
            example > limits.max_example_numbers,
            f"{example} numbers in a customer's training example, over the {limits.max_example_numbers} "
            "allowed",
        ),
        (
            table > limits.max_dimension,
            f"{table} numbers in the table of the smallest matching, over the {limits.max_dimension} allowed",
        ),
        (
            table_delta > limits.max_matching_delta,
            f"matchings that each add {float(table_delta):.2g} to delta for a person, over the "
            f"{limits.max_matching_delta:g} allowed",
        ),
        (bool(foreign), f"the purposes {', '.join(foreign)}, which are not allowed here"),
    ]
    return [text for is_over, text in found if is_over]
