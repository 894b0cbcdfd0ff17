from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.errors import (
    LedgerError,
    LedgerFullError,
    LedgerRewoundError,
    LedgerUnreadableError,
    RoundRepeatedError,
)
from highstreet.client.ledger import AnsweredRound, Ledger, OpenedRound, RoundKey
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import ROUNDING, Budget, SpendingLimits
from highstreet.privacy.errors import BudgetExhaustedError, ReleaseRefusedError, UnsupportedReleaseError
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import Neighbouring, customer_release

TODAY = date(2026, 3, 1)
ONE = customer_release(noise_multiplier=5.0)  # epsilon 0.73 alone, 1.06 twice, 1.33 three times
BUDGET = Budget(epsilon=1.2, delta=1e-5, period_days=365)  # so two fit, three do not
LIMITS = SpendingLimits(budget=BUDGET, least_noise_multiplier=1.0, most_rounds=100)
COHORT = ("anna", "bela", "cora")
DRIVER = Path(__file__).with_name("ledger_kill_driver.py")


def key(phase=0, *, programme="p", request=b"request"):
    return RoundKey(
        programme_id=programme, phase=phase, request_sha256=hashlib.sha256(request + bytes([phase])).digest()
    )


def open_round(book, asked, **changes):
    usual = {"release": ONE, "cohort": COHORT, "limits": LIMITS, "today": TODAY}
    return book.open_round(asked, **{**usual, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "ledger.db"


def reopen(path):
    return Ledger.open(path, accountant=ClosedFormAccountant())


@pytest.fixture
def book(path):
    ledger = reopen(path)
    yield ledger
    ledger.close()


def test_a_round_is_paid_for_once_and_its_reply_is_always_the_same(book):
    opened = open_round(book, key())
    assert isinstance(opened, OpenedRound)
    assert (opened.customers, opened.is_again) == (COHORT, False)
    assert opened.epsilon == pytest.approx(0.7255, abs=1e-3)
    assert book.store_reply(key(), b"noisy") == b"noisy"
    assert open_round(book, key()) == AnsweredRound(key=key(), reply=b"noisy")
    assert book.store_reply(key(), b"other noise") == b"noisy"
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_spend_and_reply_outlive_the_process(path):
    first = reopen(path)
    open_round(first, key())
    first.store_reply(key(), b"noisy")
    first.close()
    second = reopen(path)
    assert open_round(second, key()) == AnsweredRound(key=key(), reply=b"noisy")
    assert open_round(second, key(1)).epsilon == pytest.approx(1.06, abs=0.01)


def test_the_spend_is_on_disk_before_the_round_is_computed(book, path):
    open_round(book, key())
    other = sqlite3.connect(path)
    assert other.execute("SELECT count(*) FROM exposures").fetchone() == (3,)
    assert other.execute("SELECT count(*) FROM replies").fetchone() == (0,)
    other.close()


def test_the_same_phase_for_another_request_is_refused(book):
    open_round(book, key())
    for stored in (False, True):
        with pytest.raises(RoundRepeatedError):
            open_round(book, key(request=b"another"))
        with pytest.raises(RoundRepeatedError):
            book.store_reply(key(request=b"another"), b"x")
        if not stored:
            book.store_reply(key(), b"noisy")
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_a_reply_to_a_round_never_opened_is_refused(book):
    with pytest.raises(RoundRepeatedError):
        book.store_reply(key(), b"noisy")


def test_a_round_opened_again_after_a_crash_uses_nobody_new_and_nobody_who_withdrew(book):
    open_round(book, key())
    again = open_round(book, key(), cohort=("bela", "cora", "dora"))
    assert (again.customers, again.is_again) == (("bela", "cora"), True)
    assert again.epsilon == pytest.approx(0.7255, abs=1e-3)
    assert open_round(book, key(), cohort=()).customers == ()


def test_the_rounds_before_decide_and_not_who_took_part_in_them(book):
    for phase in (0, 1):
        open_round(book, key(phase), cohort=("anna",))
    for cohort in (("anna",), ("bela", "cora"), ()):
        with pytest.raises(BudgetExhaustedError) as refused:
            open_round(book, key(2), cohort=cohort)
        assert refused.value.epsilon == pytest.approx(1.33, abs=0.01)
    assert book.spending(BUDGET, today=TODAY).rounds == 2


def test_a_round_over_the_budget_is_refused_and_costs_nothing(book):
    for phase in (0, 1):
        open_round(book, key(phase))
    with pytest.raises(BudgetExhaustedError) as refused:
        open_round(book, key(2))
    assert refused.value.epsilon == pytest.approx(1.33, abs=0.01)
    assert "over the budget of 1.20" in refused.value.for_user()
    assert book.spending(BUDGET, today=TODAY).rounds == 2
    # A refusal leaves no trace: the same phase can be asked for by another request.
    assert open_round(book, key(2, request=b"more noise"), release=customer_release(noise_multiplier=50.0))


def test_everybody_who_could_be_sampled_is_charged(book):
    sampled = customer_release(noise_multiplier=5.0, sampling_rate=0.01)
    with pytest.raises(UnsupportedReleaseError):  # this accountant knows no sampling, and does not guess
        open_round(book, key(), release=sampled)
    assert book.spending(BUDGET, today=TODAY).customers == 0


def test_sampled_rounds_are_accounted_as_sampled(path):
    book = Ledger.open(path)
    sampled = customer_release(noise_multiplier=5.0, sampling_rate=0.1)
    losses = [open_round(book, key(phase), release=sampled).epsilon for phase in range(3)]
    assert losses == sorted(losses)
    assert losses[-1] < 0.3
    assert book.spending(BUDGET, today=TODAY).customers == 3


def test_phases_that_follow_must_fit_as_well_but_are_not_spent(book):
    opened = open_round(book, key(), remaining=(ONE,))
    assert opened.epsilon == pytest.approx(0.7255, abs=1e-3)
    with pytest.raises(BudgetExhaustedError):
        open_round(book, key(1), remaining=(ONE,))
    assert open_round(book, key(1)).epsilon == pytest.approx(1.06, abs=0.01)


def test_a_release_outside_the_stores_limits_is_refused_and_costs_nothing(book):
    for release in (
        customer_release(noise_multiplier=0.5),
        replace(ONE, neighbouring=Neighbouring.REPLACE),
        replace(ONE, steps=2),
    ):
        with pytest.raises(ReleaseRefusedError):
            open_round(book, key(), release=release)
    with pytest.raises(ReleaseRefusedError):
        open_round(book, key(), limits=replace(LIMITS, most_rounds=0))
    assert book.spending(BUDGET, today=TODAY).rounds == 0


def test_an_empty_cohort_is_a_round_like_any_other(path):
    book = reopen(path)
    opened = open_round(book, key(), cohort=())
    assert (opened.customers, opened.is_again) == ((), False)
    assert opened.epsilon == pytest.approx(0.7255, abs=1e-3)
    assert book.store_reply(key(), b"noise alone") == b"noise alone"
    spending = book.spending(BUDGET, today=TODAY)
    assert (spending.rounds, spending.customers, spending.largest_epsilon) == (1, 0, 0)
    assert spending.counted_epsilon == opened.epsilon
    book.close()
    again = reopen(path)
    assert open_round(again, key()) == AnsweredRound(key=key(), reply=b"noise alone")
    again.close()


def test_nobody_joins_a_round_that_was_opened_for_nobody(book):
    open_round(book, key(), cohort=())
    assert open_round(book, key(), cohort=COHORT).customers == ()


@pytest.mark.parametrize("sequence", [0, 2, 7])
def test_an_exposure_outside_the_rounds_is_refused(book, path, sequence):
    """Otherwise a customer could have lost more than all rounds of the period together."""
    open_round(book, key())
    book.store_reply(key(), b"noisy")  # event 2
    other = sqlite3.connect(path)
    other.execute("INSERT INTO exposures VALUES (?, zeroblob(16))", (sequence,))
    other.commit()
    other.close()
    with pytest.raises(LedgerUnreadableError):
        open_round(book, key(1))
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_a_customer_named_twice_is_charged_and_used_once(book):
    assert open_round(book, key(), cohort=("anna", "anna")).customers == ("anna",)


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


def test_nobody_is_named_in_the_files(book, path):
    open_round(book, key(), cohort=("margarethe.schulze@example.org",))
    book.store_reply(key(), b"noisy")
    for place in path.parent.iterdir():
        assert b"margarethe" not in place.read_bytes()


def test_the_files_are_for_their_owner_only(book, path):
    open_round(book, key())
    book.store_reply(key(), b"noisy")
    names = {place.name: place.stat().st_mode & 0o777 for place in path.parent.iterdir()}
    assert set(names) >= {"ledger.db", "ledger.db-wal", "ledger.db.mark"}
    assert set(names.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_every_commit_is_forced_to_the_disk(book):
    asked = {
        name: book._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "fullfsync")
    }
    assert asked == {"synchronous": 2, "fullfsync": 1}
    assert book._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def spent(path, *, replies=True):
    """Make a ledger with two rounds, closed."""
    ledger = reopen(path)
    for phase in (0, 1):
        open_round(ledger, key(phase))
        if replies:
            ledger.store_reply(key(phase), b"noisy %d" % phase)
            ledger.agree(key(phase), bytes([7]) * 32)
    ledger.close()


def copies(path, folder):
    shutil.copytree(path.parent, folder)
    return folder


def test_an_old_copy_put_back_is_refused(path, tmp_path):
    spent(path)
    old = copies(path, tmp_path / "old")
    ledger = reopen(path)
    open_round(ledger, key(2), release=customer_release(noise_multiplier=50.0))
    ledger.close()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (path.parent / name).unlink(missing_ok=True)
        if (old / name).exists():
            shutil.copy(old / name, path.parent / name)
    with pytest.raises(LedgerRewoundError):
        reopen(path)


def test_an_old_copy_from_before_a_reply_is_refused_too(path, tmp_path):
    """Otherwise the round would be computed again, and sent a second time with other noise."""
    spent(path, replies=False)
    old = copies(path, tmp_path / "old")
    ledger = reopen(path)
    ledger.store_reply(key(1), b"noisy")
    ledger.close()
    shutil.copy(old / "ledger.db", path)
    with pytest.raises(LedgerRewoundError):
        reopen(path)


def test_a_ledger_put_back_while_in_use_is_refused(path, tmp_path):
    ledger = reopen(path)
    open_round(ledger, key())
    other = sqlite3.connect(path)
    other.executescript("DROP TRIGGER rounds_remain; DROP TRIGGER exposures_remain;")
    other.executescript("DELETE FROM exposures; DELETE FROM rounds;")
    other.close()
    with pytest.raises(LedgerRewoundError):
        open_round(ledger, key(1))
    ledger.close()


def test_a_ledger_that_was_spent_from_and_is_gone_is_refused(path):
    spent(path)
    for place in path.parent.glob("ledger.db*"):
        if not place.name.endswith(".mark"):
            place.unlink()
    with pytest.raises(LedgerRewoundError):
        reopen(path)
    assert not path.exists()


def test_a_ledger_without_its_mark_is_refused(path):
    spent(path)
    path.with_name("ledger.db.mark").unlink()
    with pytest.raises(LedgerRewoundError):
        reopen(path)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b'{"version": 2, "sequence": 0, "digest": ""}', b"[1]"]
)
def test_a_damaged_mark_is_refused(path, content):
    spent(path)
    path.with_name("ledger.db.mark").write_bytes(content)
    with pytest.raises(LedgerUnreadableError):
        reopen(path)


def test_another_stores_ledger_is_refused(path, tmp_path):
    spent(path)
    foreign = tmp_path / "foreign" / "ledger.db"
    spent(foreign)
    shutil.copy(foreign, path)
    with pytest.raises(LedgerRewoundError):
        reopen(path)


EDITS = [
    "UPDATE rounds SET noise_multiplier = 500 WHERE sequence = 1",
    "UPDATE rounds SET day = day - 1000",
    "DELETE FROM exposures WHERE rowid_of = 1",
    "UPDATE replies SET reply = x'00'",
    "DELETE FROM replies WHERE round = 1",
    "UPDATE identity SET salt = zeroblob(32)",
    "UPDATE agreements SET set_sha256 = zeroblob(32)",
    "DELETE FROM agreements",
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_ledger_is_refused(path, edit):
    spent(path)
    edit = edit.replace("rowid_of = 1", "customer = (SELECT min(customer) FROM exposures)")
    other = sqlite3.connect(path)
    for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        other.execute(f"DROP TRIGGER {name}")
    assert other.execute(edit).rowcount > 0
    other.commit()
    other.close()
    with pytest.raises(LedgerError) as refused:
        reopen(path)
    assert "Nothing is sent" in refused.value.next_step


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE rounds SET day = 0",
        "DELETE FROM exposures",
        "DELETE FROM replies",
        "UPDATE replies SET reply = x'00'",
        "UPDATE agreements SET set_sha256 = zeroblob(32)",
        "DELETE FROM agreements",
    ],
)
def test_the_database_itself_holds_what_was_written(path, edit):
    spent(path)
    other = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        other.execute(edit)
    other.close()


def test_a_truncated_or_overwritten_ledger_is_refused(path):
    spent(path)
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        b"not a database" * 400,
        b"\0" * len(whole),
        whole[:-4096] + bytes(4096),
    ):
        path.write_bytes(content)
        with pytest.raises(LedgerError):
            reopen(path)


def test_a_full_disk_spends_and_sends_nothing(book):
    open_round(book, key())
    (pages,) = book._connection.execute("PRAGMA page_count").fetchone()
    book._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerFullError):
        book.store_reply(key(), bytes(1_000_000))
    book._connection.execute("PRAGMA max_page_count = 1000000")
    assert book.store_reply(key(), b"noisy") == b"noisy"


def test_a_spend_whose_mark_cannot_be_written_is_not_computed_and_is_found_again(book, path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        patched.setattr(Path, "replace", full)
        with pytest.raises(Exception, match="no room left"):
            open_round(book, key())
    again = open_round(book, key())
    assert again.is_again
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_an_oversized_reply_is_refused(book):
    open_round(book, key())
    with pytest.raises(LedgerError):
        book.store_reply(key(), bytes((64 << 20) + 1))


def test_one_set_of_a_round_is_agreed_to(book, path):
    assert book.agreed_set(key()) is None
    book.agree(key(), bytes(32))
    book.agree(key(), bytes(32))
    with pytest.raises(RoundRepeatedError, match="another set"):
        book.agree(key(), bytes([1]) * 32)
    assert book.agreed_set(key()) == bytes(32)
    book.close()
    again = reopen(path)
    assert again.agreed_set(key()) == bytes(32)
    again.agree(key(phase=1), bytes([1]) * 32)
    assert again.agreed_set(key(phase=1)) == bytes([1]) * 32
    again.close()


def test_a_phase_has_one_request_for_its_spend_and_its_sum(book):
    open_round(book, key())
    with pytest.raises(RoundRepeatedError, match="another request"):
        book.agree(key(request=b"other"), bytes(32))
    book.agree(key(phase=1), bytes(32))  # on the committee without a contribution
    with pytest.raises(RoundRepeatedError, match="another request"):
        open_round(book, key(phase=1, request=b"other"))
    with pytest.raises(RoundRepeatedError, match="another request"):
        book.agreed_set(key(phase=1, request=b"other"))
    assert book.spending(BUDGET, today=TODAY).rounds == 1


def test_an_agreement_is_on_disk_before_anything_is_said_of_it(book, path):
    book.agree(key(), bytes(32))
    other = sqlite3.connect(path)
    assert other.execute("SELECT set_sha256 FROM agreements").fetchall() == [(bytes(32),)]
    other.close()
    assert json.loads(path.with_name("ledger.db.mark").read_bytes())["sequence"] == 1


def test_what_a_killed_process_left_beside_the_ledger_is_swept_up(path):
    spent(path)
    orphan = path.with_name(".ledger.db.mark.4242.tmp")
    orphan.write_bytes(b"half")
    reopen(path).close()
    assert not orphan.exists()


def test_spending_says_what_the_most_exposed_customer_has_lost(book):
    assert book.spending(BUDGET, today=TODAY).largest_epsilon == 0
    open_round(book, key(0))
    open_round(book, key(1), cohort=("anna",))
    book.store_reply(key(0), b"noisy")
    spending = book.spending(BUDGET, today=TODAY)
    assert (spending.rounds, spending.replies, spending.customers) == (2, 1, 3)
    assert spending.releases == (ONE, ONE)
    assert spending.largest_epsilon == pytest.approx(1.06, abs=0.01)
    open_round(book, key(2), cohort=(), release=customer_release(noise_multiplier=20.0))
    spending = book.spending(BUDGET, today=TODAY)
    assert spending.largest_epsilon == pytest.approx(1.06, abs=0.01)
    assert spending.counted_epsilon > spending.largest_epsilon  # what the next round is judged by


def test_the_programmes_paid_for_are_told_with_whether_a_spend_of_theirs_still_counts(book):
    assert book.programmes(period_days=365, today=TODAY) == {}
    open_round(book, key(0, programme="p"))
    later = TODAY + timedelta(days=100)
    open_round(book, key(0, programme="q"), release=customer_release(noise_multiplier=20.0), today=later)
    book.agree(key(0, programme="r"), bytes(32))  # agreed to, and not paid for
    assert book.programmes(period_days=365, today=later) == {"p": True, "q": True}
    assert book.programmes(period_days=100, today=later) == {"p": False, "q": True}
    assert book.programmes(period_days=101, today=later) == {"p": True, "q": True}


def test_two_processes_and_many_threads_pay_for_a_round_once(path):
    books = [reopen(path) for _ in range(2)]
    replies, barrier = [], threading.Barrier(8)

    def answer(number):
        barrier.wait()
        opened = open_round(books[number % 2], key())
        replies.append(
            opened.reply
            if isinstance(opened, AnsweredRound)
            else books[number % 2].store_reply(key(), b"reply %d" % number)
        )

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8
    assert len(set(replies)) == 1
    assert books[0].spending(BUDGET, today=TODAY).rounds == 1
    for ledger in books:
        ledger.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check_after_kills(folder, kills, seed, *how):
    """Kill real processes, then hold what they computed and sent against the ledger."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(kills), str(seed), *how],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    ends = json.loads(done.stdout)
    assert ends["killed"] == kills
    assert "failed" not in ends, done.stderr

    book = reopen(folder / "ledger.db")  # whole, after every one of the kills
    rows = book._connection.execute("SELECT phase, sequence FROM rounds").fetchall()
    charged = {
        phase: {
            c
            for (c,) in book._connection.execute(
                "SELECT customer FROM exposures WHERE sequence = ?", (number,)
            )
        }
        for phase, number in rows
    }
    stored = dict(
        book._connection.execute("SELECT phase, reply FROM replies JOIN rounds ON round = rounds.sequence")
    )
    computed, sent = lines(folder / "computed.log"), lines(folder / "sent.log")
    assert len(charged) == len(rows)  # no phase was paid for twice
    for entry in computed:  # whatever was computed had been paid for, for everybody in it
        assert {book._commit_to(name) for name in entry["customers"]} <= charged[entry["phase"]]
    for entry in sent:  # and only one reply was ever sent for a phase
        assert bytes.fromhex(entry["reply"]) == stored.get(entry["phase"])
    sets = {
        phase: set_sha256.hex()
        for phase, set_sha256 in book._connection.execute("SELECT phase, set_sha256 FROM agreements")
    }
    agreed = lines(folder / "agreed.log")
    for entry in agreed:  # and only one set of contributors was ever agreed to
        assert entry["set"] == sets[entry["phase"]]
    book.close()
    again = sum(entry["is_again"] for entry in computed)
    return {
        "agreed": len(agreed),
        "killed inside": len(lines(folder / "kills.log")),
        "sent": len(sent),
        "spent in an earlier life": again,
    }


@pytest.mark.system
def test_after_sixty_kills_nothing_is_under_counted_and_nothing_sent_twice_with_other_bytes(tmp_path):
    seen = check_after_kills(tmp_path, kills=60, seed=3)
    assert seen["killed inside"] >= 12
    assert seen["sent"] >= 12
    assert seen["agreed"] >= 12
    assert seen["spent in an earlier life"] >= 1  # the gap between spend and reply was hit


@pytest.mark.system
def test_sending_before_storing_would_be_caught_by_the_same_check(tmp_path):
    with pytest.raises(AssertionError):
        check_after_kills(tmp_path, 60, 3, "careless")


@pytest.mark.system
@pytest.mark.slow
def test_after_a_thousand_kills_nothing_is_under_counted_and_nothing_sent_twice_with_other_bytes(tmp_path):
    seen = check_after_kills(tmp_path, kills=1000, seed=11)
    assert seen["killed inside"] >= 300
    assert seen["spent in an earlier life"] >= 40  # the gap between spend and reply was hit
