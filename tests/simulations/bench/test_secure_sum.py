"""The short form of the bench of secure sums: every side's sum is right, and every message is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from highstreet.simulations.bench import secure_sum, sum_measure
from highstreet.simulations.bench.our_sum import why_not_ours
from highstreet.simulations.bench.secure_sum import Asked, run_bench
from highstreet.simulations.bench.sum_case import REACH, STEPS, Role, RoleCost, RoundCost, SumCase, Tally
from highstreet.simulations.bench.sum_measure import Limits, Taken, best, check_error, measure_round
from highstreet.simulations.bench.sum_sides import OURS, SIDES
from highstreet.simulations.bench.sum_tables import Measured, tables_of
from highstreet.simulations.errors import SimulationsError, UnreadableResultsError

CASE = SumCase(stores=7, dimension=40)
LIMITS = Limits(seconds=100, memory_bytes=6 * 10**9)
GRID_STEP = 2 * REACH / STEPS
sides = pytest.mark.parametrize("name", SIDES)


@pytest.fixture(scope="module")
def held():
    """Each side's mean and tally, one round each."""
    found = {}
    for name, side in SIDES.items():
        tally = Tally()
        found[name] = side.hold(CASE, tally), tally.costs()
    return found


@sides
def test_every_side_gives_the_mean(held, name):
    error = np.abs(held[name][0] - CASE.mean()).max()
    check_error(error)
    # A store more or less would be seen: the vectors are far apart against the grid.
    short = SumCase(stores=CASE.stores - 1, dimension=CASE.dimension)
    with pytest.raises(SimulationsError, match="wrong"):
        check_error(np.abs(held[name][0] - short.mean()).max())


def test_a_mean_off_by_two_steps_is_refused():
    check_error(GRID_STEP)
    with pytest.raises(SimulationsError):
        check_error(2 * GRID_STEP)
    with pytest.raises(SimulationsError):
        check_error(float("nan"))


@sides
def test_messages_are_one_and_three_more_for_a_seat_or_four(held, name):
    costs = held[name][1]
    assert costs[Role.CONTRIBUTOR].parties == CASE.stores
    if name.startswith("ours"):
        assert costs[Role.CONTRIBUTOR].messages == 1
        assert costs[Role.COMMITTEE].messages == 3
        assert costs[Role.COMMITTEE].parties == int(name[-1])
    else:
        assert costs[Role.CONTRIBUTOR].messages == 4
        assert Role.COMMITTEE not in costs


@sides
def test_bytes_are_the_vectors_and_little_more(held, name):
    """4 bytes a coordinate: m - t + 1 vectors of ours and one answer; 8 a coordinate with SecAgg+."""
    costs, vector = held[name][1], 4 * CASE.dimension
    vectors = {"ours-5": 2, "ours-6": 3}.get(name, 2)
    assert 0 < costs[Role.CONTRIBUTOR].bytes_up - vectors * vector < 8_000
    if name.startswith("ours"):
        assert costs[Role.CONTRIBUTOR].bytes_up - vectors * vector < 1_000
        assert 0 < costs[Role.COMMITTEE].bytes_up - vector < 1_000
        # The seat beyond the seeds gets a vector of every store, to look at and to add up.
        assert costs[Role.COMMITTEE].most_bytes_down > 2 * CASE.stores * vector


def test_every_side_sums_the_same_vectors():
    assert np.array_equal(CASE.vector(3), CASE.vector(3))
    assert not np.array_equal(CASE.vector(3), CASE.vector(4))
    assert np.abs(CASE.vector(0)).max() <= 1


def test_what_the_protocol_refuses_is_said_before_it_is_tried():
    """By hand: 512 MiB / 4 MB is 134.2 stores."""
    assert why_not_ours(SumCase(stores=134, dimension=10**6)) == ""
    assert "up to 134 stores" in why_not_ours(SumCase(stores=135, dimension=10**6))


def test_a_round_is_measured_in_a_process_of_its_own():
    found = measure_round(OURS, SumCase(stores=5, dimension=400_000), limits=LIMITS)
    assert isinstance(found, RoundCost)
    assert found.error < 1.5 * GRID_STEP
    # Five contributions of two vectors are held at once.
    assert found.grown_bytes > 5 * 2 * 4 * 400_000


def test_a_round_that_needs_too_long_or_too_much_is_left_out_and_says_why():
    long = measure_round(
        "secaggplus-all", SumCase(stores=40, dimension=10), limits=Limits(seconds=1, memory_bytes=6 * 10**9)
    )
    assert long == "not finished within 1 processor seconds"
    tight = Limits(seconds=100, memory_bytes=3 * 10**8)
    large = measure_round(OURS, SumCase(stores=30, dimension=1_000_000), limits=tight)
    assert large in {
        "would need more than 0.3 GB",
        "ended by signal 6 with 0.3 GB allowed",
        "ended by signal 11 with 0.3 GB allowed",
    }


def made_up(seconds):
    role = RoleCost(
        parties=1,
        processor_seconds=seconds,
        most_processor_seconds=seconds,
        seconds=seconds,
        bytes_up=10.0 * seconds,
        bytes_down=0.0,
        most_bytes_down=0,
        messages=1.0,
    )
    roles = {role_of: role for role_of in (Role.CONTRIBUTOR, Role.COORDINATOR, Role.OPENING)}
    return RoundCost(roles=roles, error=0.0, grown_bytes=int(1e6 * seconds))


def test_the_table_shows_the_least_of_each_side_and_what_was_left_out():
    assert best((made_up(3.0), made_up(2.0))).roles[Role.OPENING].processor_seconds == 2.0
    taken = {
        OURS: Taken(rounds=(made_up(3.0), made_up(2.0))),
        "secaggplus-3": Taken(rounds=(made_up(5.0),)),
        "secaggplus-all": Taken(left_out="not finished within 120 s"),
    }
    text = "\n".join(
        table.markdown() for table in tables_of([Measured(case=CASE, commit="c", load=1.0, taken=taken)])
    )
    assert "| n = 7, d = 40 | SecAgg+, 3 shares, threshold 2 | 2.50x |" in text
    assert "not finished within 120 s" in text


def test_a_bench_that_was_stopped_goes_on_where_it_was(monkeypatch, tmp_path):
    asked = Asked(out=tmp_path, stores=[5], dimensions=[20, 10], turns=2, limits=LIMITS)
    held = []

    def quick(name, case, *, limits):
        held.append((name, case.dimension))
        return "not finished within 1 s" if name == "secaggplus-3" else made_up(1.0)

    monkeypatch.setattr(sum_measure, "measure_round", quick)
    paths = run_bench(asked, say=lambda line: None)
    written = json.loads(paths[0].read_text())
    assert [each["case"]["dimension"] for each in written["cases"]] == [10, 20]
    assert "Load average" in paths[1].read_text()
    assert "not tried: not finished within 1 s at d = 10" in paths[1].read_text()
    assert ("secaggplus-3", 20) not in held
    assert held.count((OURS, 10)) == 2
    assert ("ours-6", 10) not in held

    (tmp_path / "runs" / "secure-sum" / "5-stores-20.json").unlink()
    held.clear()
    run_bench(asked, say=lambda line: None)
    assert {dimension for _, dimension in held} == {20}

    (tmp_path / "runs" / "secure-sum" / "5-stores-20.json").write_text("{}")
    with pytest.raises(UnreadableResultsError):
        run_bench(asked, say=lambda line: None)


def test_the_published_sizes_are_asked_for_by_default():
    assert secure_sum.STORES == (5, 20, 50, 200)
    assert secure_sum.DIMENSIONS == (10_000, 100_000, 1_000_000)
