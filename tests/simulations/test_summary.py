import numpy as np
import pytest

from highstreet.simulations.conditions import choose, conditions_for
from highstreet.simulations.judging import METRICS, Units
from highstreet.simulations.replay_report import _gain_by_size as gain_by_size
from highstreet.simulations.replay_tables import tables_of_summary
from highstreet.simulations.results import Finished
from highstreet.simulations.summary import summarise

UNITS = 60
CLAIMS = ("epsilon 3.00 for a customer", "epsilon 9.00 for a person")
HELD = {"contributors": 6, "floor": 5, "colluders": 1, "committee": 6, "threshold": 4, "surplus": 1.118}


def finished(condition, seed, level):
    values = np.full((UNITS, len(METRICS)), level) + 0.01 * np.sin(np.arange(UNITS))[:, None]
    return Finished(
        condition=condition,
        seed=seed,
        values=values,
        seconds=2.0,
        commit="abc",
        claims=CLAIMS if condition.startswith("epsilon") else (),
        details={"secure_sum": HELD} if condition.endswith("in-sum") else {},
    )


@pytest.fixture
def summary():
    units = Units(
        store=np.repeat(np.arange(6), 10),
        person=np.arange(UNITS),
        store_customers=np.repeat([20, 30, 50, 70, 100, 150], 10),
        purchases=np.tile(np.arange(1, 11), 6),
    )
    conditions = choose(conditions_for((3.0,)), ["own-recency", "alone", "epsilon-3-in-sum"])
    runs = [
        finished("own-recency", 1, 0.2),
        finished("alone", 1, 0.3),
        *(finished("epsilon-3-in-sum", seed, 0.33 + 0.01 * seed) for seed in (1, 2, 3)),
    ]
    return summarise(conditions, runs, units)


def test_differences_are_of_the_mean_over_seeds(summary):
    row = summary.row("epsilon-3-in-sum")
    difference = row.against["alone"]["novel/ndcg10"]
    assert difference.mean == pytest.approx(0.05)
    assert row.seed_deviation["novel/ndcg10"] == pytest.approx(0.01)
    assert difference.standard_error == pytest.approx(0.01 / np.sqrt(3))


def test_every_shop_size_and_few_purchases_are_apart(summary):
    row = summary.row("epsilon-3-in-sum")
    sizes = row.by_size["all/ndcg10"]
    assert list(sizes) == ["under 40", "40 to 59", "60 to 79", "80 to 119", "120 or more"]
    assert sum(estimate.units for estimate in sizes.values()) == UNITS
    assert row.few_purchases["all/ndcg10"].units == 18
    assert row.worse_than_alone["all/ndcg10"] == (0, 6)


def test_opponents_are_not_compared_with_the_shop_alone_by_size(summary):
    assert summary.row("own-recency").by_size == {}
    assert summary.row("popularity") is None


def test_tables_mark_intervals_above_zero(summary):
    against = next(table for table in tables_of_summary(summary) if table.title == "Against alone")
    assert against.rows[0][1].endswith("*")
    assert "| condition |" in against.markdown()


def test_promises_say_who_adds_the_noise_and_how_much_of_it_is_surplus(summary):
    promised = next(table for table in tables_of_summary(summary) if table.title == "What is promised")
    assert promised.rows == (
        (
            "co-op prior + local, epsilon 3 per customer, noise once in the sum",
            *CLAIMS,
            "shares of 6 shops; floor 5, up to 1 colluding, committee of 6 of which 4 open; "
            "1.12 times what is promised",
        ),
    )


def test_figures_that_nobody_has_are_no_warning_and_no_number(recwarn):
    units = Units(
        store=np.zeros(UNITS, dtype=int),
        person=np.arange(UNITS),
        store_customers=np.full(UNITS, 20),
        purchases=np.ones(UNITS, dtype=int),
    )
    runs = [finished(name, seed, np.nan) for name in ("alone", "no-privacy") for seed in (1, 2)]
    tables = tables_of_summary(summarise(choose(conditions_for(()), ["alone", "no-privacy"]), runs, units))
    assert not recwarn.list
    assert {row[2] for row in tables[0].rows} == {"- (-)"}


def test_pictures_show_zero_where_joining_hurts_everywhere():
    units = Units(
        store=np.repeat(np.arange(6), 10),
        person=np.arange(UNITS),
        store_customers=np.full(UNITS, 20),
        purchases=np.ones(UNITS, dtype=int),
    )
    runs = [finished("alone", 1, 0.5), finished("no-privacy", 1, 0.3)]
    runs[1].values[::2] -= 0.01
    row = summarise(choose(conditions_for(()), ["alone", "no-privacy"]), runs, units).row("no-privacy")
    assert row.by_size["all/ndcg10"]["under 40"].high < -0.1
    # The tick at zero stands at the right edge of the picture.
    assert (
        '<text x="820.0" y="102.0" class="label" text-anchor="middle">0</text>'
        in gain_by_size(row, 0).markup()
    )
