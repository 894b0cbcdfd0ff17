"""Whether a round is opened tells nothing of customers: neighbouring data sets have the same outcomes."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.ledger import Ledger, OpenedRound, RoundKey
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.errors import BudgetExhaustedError, ReleaseRefusedError
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import customer_release

TODAY = date(2026, 3, 1)
ONE = customer_release(noise_multiplier=5.0)  # epsilon 0.73 alone, 1.06 twice, 1.33 three times
BUDGET = Budget(epsilon=1.2, delta=1e-5, period_days=365)  # so two fit, three do not
LIMITS = SpendingLimits(budget=BUDGET, least_noise_multiplier=1.0, most_rounds=4)


def key(phase):
    asked = hashlib.sha256(b"request %d" % phase).digest()
    return RoundKey(programme_id="p", phase=phase, request_sha256=asked)


class LeavingOut:
    """How it must not be: who cannot afford a round is left out, and it is refused when nobody is left."""

    def __init__(self):
        self.histories = {}

    def open_round(self, asked, *, release, cohort, limits, today, remaining=()):
        accountant = ClosedFormAccountant()
        within = [
            name
            for name in cohort
            if accountant.epsilon((*self.histories.get(name, ()), release, *remaining), delta=BUDGET.delta)
            <= BUDGET.epsilon
        ]
        if not within:
            raise BudgetExhaustedError(
                epsilon=9,
                budget_epsilon=BUDGET.epsilon,
                delta=BUDGET.delta,
                period_days=BUDGET.period_days,
                is_promised=False,
            )
        for name in within:
            self.histories[name] = (*self.histories.get(name, ()), release)
        return OpenedRound(key=asked, customers=tuple(within), epsilon=0.0, is_again=False)


def what_the_coordinator_sees(book, steps, *, with_zoe):
    """Ask for rounds in order; return all that is decided, for the data with or without one customer."""
    day, seen = TODAY, []
    for phase, (others, is_zoe_in, noise, jump, following, again) in enumerate(steps):
        day += timedelta(days=jump)
        cohort = sorted(others | ({"zoe"} if with_zoe and is_zoe_in else set()))
        for _ in range(1 + again):
            try:
                opened = book.open_round(
                    key(phase),
                    release=customer_release(noise_multiplier=noise),
                    cohort=cohort,
                    limits=LIMITS,
                    today=day,
                    remaining=(ONE,) * following,
                )
                seen.append(("opened", opened.epsilon, opened.is_again))
            except (BudgetExhaustedError, ReleaseRefusedError) as refused:
                seen.append((type(refused).__name__, refused.what))
    return seen


NEIGHBOURS = st.lists(
    st.tuples(
        st.sets(st.sampled_from("ab")),
        st.booleans(),
        st.sampled_from([0.5, 5.0, 9.0, 20.0]),
        st.integers(-100, 200),
        st.integers(0, 1),
        st.booleans(),
    ),
    max_size=8,
)
ZOE_ALONE = (set(), True, 5.0, 0, 0, False)


@settings(max_examples=25, deadline=None)
@given(NEIGHBOURS)
def test_no_outcome_tells_whether_one_customer_is_there(tmp_path_factory, steps):
    seen = []
    for with_zoe in (False, True):
        path = tmp_path_factory.mktemp("neighbour") / "ledger.db"
        book = Ledger.open(path, accountant=ClosedFormAccountant())
        seen.append(what_the_coordinator_sees(book, steps, with_zoe=with_zoe))
        book.close()
    assert seen[0] == seen[1]


def test_leaving_out_who_cannot_afford_a_round_would_tell_of_one_customer():
    """The check above sees it: of an empty cohort, and of one whose others have spent their budget."""
    anna = ({"a"}, False, 5.0, 0, 0, False)
    for steps in ([ZOE_ALONE], [anna, anna, ({"a"}, True, 5.0, 0, 0, False)]):
        told = [what_the_coordinator_sees(LeavingOut(), steps, with_zoe=zoe) for zoe in (False, True)]
        assert told[0] != told[1]
