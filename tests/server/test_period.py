"""A training that shops are certain to refuse is refused at once, with the day from which it fits."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_coop import PlayedCoop, made_charter, stores

from highstreet.audit.charter import Charter
from highstreet.audit.claims import releases_of, trainings_in_a_period
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import Budget, fit, window_start
from highstreet.privacy.releases import GaussianRelease
from highstreet.server import period, programmes
from highstreet.server.database import connect, transaction
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.period import Spent, refuse_overspending, spent_by
from highstreet.server.programmes import request_programme
from highstreet.server.rounds import required_stores

DAY = 86_400


def _charter(*, epsilon: float, phases: int = 99, period_days: int = 30) -> Charter:
    charter = made_charter(phases=phases)
    return replace(charter, privacy=replace(charter.privacy, epsilon=epsilon, period_days=period_days))


def _ask(coop: PlayedCoop, *, day: int) -> None:
    """Ask for a training on a day, and call it off if it is taken up."""
    with closing(connect(coop.database)) as connection:
        request_programme(connection, coop.charter, now=day * DAY)
        connection.execute("DELETE FROM programmes WHERE state = 'requested'")


def test_the_training_after_one_that_used_the_period_up_is_refused_until_the_day_it_fits(
    tmp_path: Path,
) -> None:
    charter = _charter(epsilon=1.2)
    assert trainings_in_a_period(charter) == 1
    coop = PlayedCoop(tmp_path, charter, stores(3))
    coop.run()  # on day 0
    for day in (0, 1, 29):
        with pytest.raises(ProgrammeRefusedError) as refused:
            _ask(coop, day=day)
        assert "over the charter's epsilon of 1.2 for any 30 days: 0 of the 3 shops" in refused.value.what
        assert "on 1970-01-31 or later" in refused.value.for_user()
    _ask(coop, day=30)


def test_as_many_trainings_are_taken_as_the_charter_says_fit(tmp_path: Path) -> None:
    charter = _charter(epsilon=1.5)
    assert trainings_in_a_period(charter) == 2
    coop = PlayedCoop(tmp_path, charter, stores(3))
    coop.run()
    _ask(coop, day=0)
    with closing(connect(coop.database)) as connection:  # the second one, contribution by contribution
        _copy_programme(connection, "b" * 16)
    with pytest.raises(ProgrammeRefusedError):
        _ask(coop, day=0)


def test_a_training_that_failed_half_way_counts_with_the_rounds_that_were_paid_for(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, _charter(epsilon=1.2), stores(3))
    coop.run()
    with closing(connect(coop.database)) as connection:
        connection.execute("UPDATE programmes SET state = 'failed'")
    with pytest.raises(ProgrammeRefusedError):
        _ask(coop, day=0)


def test_shops_that_did_not_take_part_can_still_be_enough(tmp_path: Path) -> None:
    """Three of seven took part; with a quorum of a half the four others are a round."""
    spent = {f"s{number}": {"contribute": "refuses"} for number in (4, 5, 6, 7)}
    charter = _charter(epsilon=1.2)
    lax = replace(charter, rounds=replace(charter.rounds, quorum=0.4))
    coop = PlayedCoop(tmp_path, lax, stores(7, **spent))
    coop.run()
    assert coop.ended() == ("finished", "")
    _ask(coop, day=0)
    coop.charter = replace(charter, rounds=replace(charter.rounds, quorum=0.6))  # the twin: five are required
    with closing(connect(coop.database)) as connection:
        connection.execute("UPDATE programmes SET charter_sha256 = ?", (coop.charter.sha256(),))
    with pytest.raises(ProgrammeRefusedError) as refused:
        _ask(coop, day=0)
    assert "4 of the 7 shops that would be asked can take part, 5 are required" in refused.value.what


def test_a_matching_costs_no_epsilon(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, _charter(epsilon=1.2), stores(3))
    coop.run()
    with closing(connect(coop.database)) as connection:
        connection.execute("UPDATE programmes SET kind = 'matching'")
    _ask(coop, day=0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 3)), max_size=6),
    st.floats(0.7, 4.0),
    st.integers(0, 70),
)
def test_it_is_refused_exactly_when_every_ledger_would_refuse_it_and_the_day_named_is_the_first(
    tmp_path_factory: pytest.TempPathFactory, held: list[tuple[int, int]], epsilon: float, today: int
) -> None:
    """Against the rule of the ledger day by day, for trainings of which some phases were held."""
    charter = _charter(epsilon=epsilon, phases=3)
    coop = PlayedCoop(tmp_path_factory.mktemp("coop"), charter, stores(3))
    releases = list(releases_of(charter.plan))
    budget = Budget(epsilon=epsilon, delta=charter.privacy.delta, period_days=30)

    def fits(day: int) -> bool:
        past = [each for paid, phases in held if paid >= window_start(day, 30) for each in releases[:phases]]
        return not past or fit(past, releases, budget, PldAccountant()).is_within

    with closing(connect(coop.database)) as connection:
        for number, (paid, phases) in enumerate(held):
            _hold(connection, coop, number=number + 2, day=paid, phases=phases)
        spent = spent_by(connection, charter, [store.member_id for store in coop.stores.values()])
        if fits(today):
            refuse_overspending(charter, spent, today=today)
            return
        with pytest.raises(ProgrammeRefusedError) as refused:
            refuse_overspending(charter, spent, today=today)
    first = date(1970, 1, 1) + timedelta(days=next(day for day in range(today, 200) if fits(day)))
    assert f"on {first} or later" in refused.value.for_user()


def _while_computing(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> list[int]:
    """Do something each time that a loss is computed; how many releases each was of."""
    losses: list[int] = []

    def watched(past: list[GaussianRelease], *others: object) -> object:
        losses.append(len(past))
        then()
        return fit(past, *others)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(period, "fit", watched)
    return losses


def test_others_can_write_while_the_budget_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = PlayedCoop(tmp_path, _charter(epsilon=1.5), stores(3))
    coop.run()

    def write() -> None:
        with closing(sqlite3.connect(coop.database, timeout=0)) as other:
            other.execute("UPDATE members SET node_id = node_id")
            other.commit()

    losses = _while_computing(monkeypatch, write)
    _ask(coop, day=0)
    assert losses
    # The twin: under the lock nobody can.
    with (
        closing(connect(coop.database)) as connection,
        transaction(connection),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        write()


def test_what_comes_in_while_the_budget_is_computed_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = PlayedCoop(tmp_path, _charter(epsilon=1.5), stores(3))
    coop.run()
    came: list[int] = []

    def come() -> None:
        if not came:
            came.append(1)
            with closing(connect(coop.database)) as other:
                _copy_programme(other, "b" * 16)

    _while_computing(monkeypatch, come)
    with pytest.raises(ProgrammeRefusedError, match="over the charter's epsilon"):
        _ask(coop, day=0)
    with closing(connect(coop.database)) as connection:  # the twin: nothing comes, and it is taken
        for table in ("replies", "rounds", "programmes"):
            connection.execute(f"DELETE FROM {table} WHERE programme_id = ?", ("b" * 16,))  # noqa: S608 - ours
    _ask(coop, day=0)


def test_a_budget_that_changes_all_the_time_ends_in_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = PlayedCoop(tmp_path, _charter(epsilon=4.0), stores(3))
    coop.run()

    def come() -> None:
        with closing(connect(coop.database)) as other:
            other.execute("UPDATE replies SET received_at = received_at + 86400")

    monkeypatch.setattr(programmes, "refuse_overspending", lambda *_, **__: come())
    with pytest.raises(ProgrammeRefusedError, match="all the time"):
        _ask(coop, day=0)


def test_few_losses_are_computed_however_many_shops_have_a_past_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """200 shops, each with another past; one day each is freed."""
    charter = _charter(epsilon=1.2)
    phases = len(charter.plan.phases)
    histories = {
        tuple((day, number % phases) for number in range(1 + day % (2 * phases))): 1 for day in range(200)
    }
    assert len(histories) == 200
    spent = Spent(histories=Counter(histories))
    long = replace(charter, privacy=replace(charter.privacy, period_days=365))
    losses = _while_computing(monkeypatch, lambda: None)
    with pytest.raises(ProgrammeRefusedError, match="of the 200 shops") as refused:
        refuse_overspending(long, spent, today=200)
    assert 0 < len(losses) <= 2 + math.log2(200)

    # The twin: one by one, day by day, it is the same answer.
    releases = list(releases_of(charter.plan))
    budget = Budget(epsilon=1.2, delta=charter.privacy.delta, period_days=365)
    known: dict[tuple[int, ...], bool] = {(): True}

    def able(day: int) -> int:
        start, found = window_start(day, 365), 0
        for history in histories:
            past = tuple(sorted(phase for paid, phase in history if paid >= start))
            if past not in known:
                known[past] = fit(
                    [releases[one] for one in past], releases, budget, PldAccountant()
                ).is_within
            found += known[past]
        return found

    required = required_stores(charter.rounds, members=200)
    assert f"{able(200)} of the 200 shops" in refused.value.what
    first = next(day for day in range(200, 600) if able(day) >= required)
    assert f"on {date(1970, 1, 1) + timedelta(days=first)} or later" in refused.value.for_user()


def _copy_programme(connection: sqlite3.Connection, programme_id: str) -> None:
    """Hold everything that was held once more, under another programme."""
    connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, as_of_day)"
        " SELECT ?, 2, requested_at, state, charter_sha256, as_of_day FROM programmes",
        (programme_id,),
    )
    connection.execute(
        "INSERT INTO rounds (programme_id, round, phase, request, opened_at)"
        " SELECT ?, round, phase, request, opened_at FROM rounds",
        (programme_id,),
    )
    connection.execute(
        "INSERT INTO replies (programme_id, round, member_id, refusal, received_at)"
        " SELECT ?, round, member_id, refusal, received_at FROM replies",
        (programme_id,),
    )


def _hold(connection: sqlite3.Connection, coop: PlayedCoop, *, number: int, day: int, phases: int) -> None:
    programme_id = f"{number:016x}"
    connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, as_of_day)"
        " VALUES (?, ?, ?, 'failed', ?, 0)",
        (programme_id, number, day * DAY, coop.charter.sha256()),
    )
    for phase in range(phases):
        connection.execute(
            "INSERT INTO rounds (programme_id, round, phase, request, opened_at)"
            " VALUES (?, ?, 'p', x'00', ?)",
            (programme_id, phase, day * DAY),
        )
        for store in coop.stores.values():
            connection.execute(
                "INSERT INTO replies (programme_id, round, member_id, received_at) VALUES (?, ?, ?, ?)",
                (programme_id, phase, store.member_id, day * DAY + 5),
            )
