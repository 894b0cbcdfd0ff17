"""What an attestation may say of its cost: no less than this round, no more than all that were asked."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import pytest
from made_up_attestation import ABOUT

from highstreet.audit.attestation import AttestedKind, AttestedUse
from highstreet.audit.attested_cost import CostBounds, cost_allowed, matching_cost, training_cost
from highstreet.audit.charter import Charter, MatchingTerms
from highstreet.audit.claims import claims_of, releases_of
from highstreet.audit.errors import AttestationError
from highstreet.audit.matchings import fewest_participants, influence_of, influences
from highstreet.privacy.accountant import epsilon
from highstreet.privacy.matching import IdentifierKind
from highstreet.server.founding import default_charter


def _charter(identifiers: int | None = None) -> Charter:
    matching = None
    if identifiers is not None:
        matching = MatchingTerms(
            identifiers_per_store=identifiers, identifier_kind=IdentifierKind.EMAIL, period_days=30
        )
    return default_charter(
        "Any",
        epsilon=3.0,
        delta=1e-5,
        today=date(2026, 11, 22),
        shops_per_person=None if matching is None else 4,
        matching=matching,
    )


def _use(epsilon: float, delta: float = 1e-5) -> AttestedUse:
    hidden = b"h" * 32
    return AttestedUse(cohort=hidden, consent=hidden, policy_sha256=hidden, epsilon=epsilon, delta=delta)


def _is_allowed(bounds: CostBounds, use: AttestedUse) -> bool:
    try:
        bounds.check(use)
    except AttestationError:
        return False
    return True


def test_whatever_earlier_phases_a_store_paid_for_its_cost_is_allowed() -> None:
    charter = _charter()
    releases = tuple(releases_of(charter.plan))
    for number in range(len(releases)):
        bounds = training_cost(charter, round_number=number)
        for count in range(number + 1):
            for earlier in itertools.combinations(releases[:number], count):
                spent = epsilon((*earlier, releases[number]), delta=1e-5)
                assert _is_allowed(bounds, _use(spent))


def test_other_costs_of_a_training_are_refused() -> None:
    charter = _charter()
    last = len(charter.plan.phases) - 1
    bounds = training_cost(charter, round_number=last)
    whole = claims_of(charter).customer.epsilon
    assert _is_allowed(bounds, _use(whole))
    for wrong in (0.0, bounds.least_epsilon * 0.99, whole * 1.02, 1e9):
        assert not _is_allowed(bounds, _use(wrong))
    for delta in (0.0, 1e-6, 2e-5):
        assert not _is_allowed(bounds, _use(whole, delta))
    first = training_cost(charter, round_number=0)
    assert not _is_allowed(first, _use(whole))  # in the first round nobody has paid for all
    with pytest.raises(AttestationError):
        training_cost(charter, round_number=last + 1)


def test_a_matching_costs_no_epsilon_and_the_delta_of_its_table() -> None:
    charter = _charter(identifiers=200)
    delta = float(influence_of(charter, participants=6))
    bounds = matching_cost(charter, participants=6)
    assert _is_allowed(bounds, _use(0.0, delta))
    for wrong in (_use(0.1, delta), _use(0.0, 0.0), _use(0.0, 2 * delta)):
        assert not _is_allowed(bounds, wrong)


def test_without_the_number_of_shops_any_that_the_charter_allows_will_do() -> None:
    charter = _charter(identifiers=200)
    bounds = matching_cost(charter)
    most, worst = influences(charter)[-1]
    for participants in (fewest_participants(charter), 6, 30, most):
        assert _is_allowed(bounds, _use(0.0, float(influence_of(charter, participants=participants))))
    assert not _is_allowed(bounds, _use(0.0, float(worst) * 1.01))
    assert not _is_allowed(bounds, _use(0.0, 0.0))
    with pytest.raises(AttestationError, match="matches nobody"):
        matching_cost(_charter())


def test_a_charter_bounds_the_cost_of_its_own_co_op_alone() -> None:
    charter = _charter()
    about = replace(ABOUT, coop_id=charter.coop.id, kind=AttestedKind.TRAINING)
    assert cost_allowed(charter, about) == training_cost(charter, round_number=about.round)
    with pytest.raises(AttestationError, match="another co-op"):
        cost_allowed(charter, ABOUT)
