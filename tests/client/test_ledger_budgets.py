"""No period holds more than the own budget or the charter's promise, whatever the clock says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.ledger import Ledger
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import ROUNDING, Budget, SpendingLimits
from highstreet.privacy.errors import BudgetExhaustedError
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import customer_release
from tests.client.made_up_ledger import BUDGET, LIMITS, TODAY, key, open_round, reopen


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "ledger.db"


@pytest.fixture
def book(path):
    ledger = reopen(path)
    yield ledger
    ledger.close()


def test_the_budget_comes_back_only_when_the_period_is_over(book):
    for phase in (0, 1):
        open_round(book, key(phase), today=TODAY + timedelta(days=100 * phase))
    with pytest.raises(BudgetExhaustedError):
        open_round(book, key(2), today=TODAY + timedelta(days=364))
    # The first is a year old; the second still counts: no boundary at which two budgets meet.
    assert open_round(book, key(2), today=TODAY + timedelta(days=365)).epsilon == pytest.approx(
        1.06, abs=0.01
    )
    with pytest.raises(BudgetExhaustedError):
        open_round(book, key(3), today=TODAY + timedelta(days=366))


def test_a_clock_set_back_frees_nothing(book):
    for phase in (0, 1):
        open_round(book, key(phase))
    for back in (1, 400, 20_000):
        with pytest.raises(BudgetExhaustedError):
            open_round(book, key(2), today=TODAY - timedelta(days=back))
        assert book.spending(BUDGET, today=TODAY - timedelta(days=back)).rounds == 2


def test_what_is_spent_while_the_clock_is_back_counts_from_the_latest_day_seen(book):
    open_round(book, key(0))
    open_round(book, key(1), today=TODAY - timedelta(days=300))
    with pytest.raises(BudgetExhaustedError):
        open_round(book, key(2), today=TODAY + timedelta(days=100))


def test_limits_loosened_from_one_call_to_the_next_do_not_unspend(book):
    open_round(book, key(0))
    short = replace(LIMITS, budget=replace(BUDGET, period_days=1))
    assert open_round(book, key(1), limits=short).epsilon == pytest.approx(1.06, abs=0.01)


STEPS = st.lists(
    st.tuples(
        st.sets(st.sampled_from("abcdef")),
        st.sampled_from([5.0, 9.0, 20.0]),
        st.integers(-200, 200),
        st.booleans(),
    ),
    max_size=10,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_no_customer_is_ever_exposed_beyond_the_budget_in_any_period(tmp_path_factory, steps):
    book = reopen(tmp_path_factory.mktemp("any") / "ledger.db")
    day, latest, seen = TODAY, date.min, {}
    for phase, (cohort, noise, jump, again) in enumerate(steps):
        day = day + timedelta(days=jump)
        release = customer_release(noise_multiplier=noise)
        for _ in range(1 + again):
            try:
                opened = open_round(book, key(phase), release=release, cohort=sorted(cohort), today=day)
            except BudgetExhaustedError:
                break
            latest = max(latest, day)
            for customer in opened.customers:
                seen.setdefault(customer, {})[phase] = (latest, release)
    book.close()
    for exposures in seen.values():
        for end, _ in exposures.values():
            within = [
                each for at, each in exposures.values() if timedelta(0) <= end - at < timedelta(days=365)
            ]
            assert ClosedFormAccountant().epsilon(within, delta=BUDGET.delta) <= BUDGET.epsilon + ROUNDING


def promising(**changes):
    """Limits under a charter whose promise is stricter than the store's own budget (two rounds fit that)."""
    promised = replace(Budget(epsilon=0.9, delta=1e-5, period_days=730), **changes)
    return replace(LIMITS, promised=promised)


def test_what_the_charter_promises_is_held_as_well_as_the_stores_own_budget(book):
    open_round(book, key(), limits=promising())
    with pytest.raises(BudgetExhaustedError, match="the co-op's charter promises") as caught:
        open_round(book, key(1), limits=promising())
    assert (caught.value.is_promised, caught.value.period_days) == (True, 730)
    assert book.spending(BUDGET, today=TODAY).rounds == 1
    open_round(book, key(1), limits=promising(epsilon=1.2))
    with pytest.raises(BudgetExhaustedError, match="this store's own limit") as caught:
        open_round(book, key(2), limits=promising(epsilon=20.0))
    assert not caught.value.is_promised
    assert book.spending(BUDGET, today=TODAY).rounds == 2


def test_each_budget_is_counted_at_its_own_delta(book):
    """0.7255 at delta 1e-5 is more at delta 1e-9."""
    with pytest.raises(BudgetExhaustedError, match="the co-op's charter promises"):
        open_round(book, key(), limits=promising(delta=1e-9))
    open_round(book, key(), limits=promising())


def test_each_budget_comes_back_after_its_own_period(book):
    open_round(book, key(), limits=promising())
    later = TODAY + timedelta(days=365)  # the store's own period is over, the charter's is not
    open_round(book, key(0, programme="without"), today=later)
    with pytest.raises(BudgetExhaustedError, match="the co-op's charter promises"):
        open_round(book, key(1), limits=promising(), today=later + timedelta(days=365))
    open_round(book, key(1), limits=promising(), today=later + timedelta(days=730))


def test_a_clock_set_back_frees_nothing_of_the_promise(book):
    open_round(book, key(), limits=promising())
    for days in (1, 365, 3650):
        with pytest.raises(BudgetExhaustedError, match="the co-op's charter promises"):
            open_round(book, key(1), limits=promising(), today=TODAY - timedelta(days=days))


def test_a_promise_of_exactly_the_cost_lets_every_phase_through_and_not_one_more(path):
    """As a charter may be written: its epsilon is what its phases cost, to the last bit."""
    phases = [customer_release(noise_multiplier=z) for z in (7.3, 11.1, 5.7, 9.9)]
    for accountant in (ClosedFormAccountant(), PldAccountant()):
        cost = accountant.epsilon(phases, delta=1e-5)
        limits = SpendingLimits(
            budget=Budget(epsilon=3.0, delta=1e-5, period_days=365),
            promised=Budget(epsilon=cost, delta=1e-5, period_days=365),
        )
        book = Ledger.open(path.with_name(type(accountant).__name__) / "ledger.db", accountant=accountant)
        for number, phase in enumerate(phases):
            open_round(book, key(number), release=phase, remaining=phases[number + 1 :], limits=limits)
        tiny = customer_release(noise_multiplier=1_000.0)
        with pytest.raises(BudgetExhaustedError):
            open_round(book, key(4), release=tiny, limits=limits)
        book.close()


def test_one_step_over_the_promise_is_refused_at_the_first_phase(path):
    """The twin: a promise a hair below the cost lets nothing begin."""
    phases = [customer_release(noise_multiplier=z) for z in (7.3, 11.1, 5.7, 9.9)]
    cost = ClosedFormAccountant().epsilon(phases, delta=1e-5)
    book = reopen(path)
    with pytest.raises(BudgetExhaustedError):
        open_round(
            book, key(), release=phases[0], remaining=phases[1:], limits=promising(epsilon=cost - 1e-7)
        )
    assert book.spending(BUDGET, today=TODAY).rounds == 0
    book.close()
