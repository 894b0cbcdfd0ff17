"""A round is paid for once, before it is computed, and its reply and its set are always the same."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from highstreet.client.errors import LedgerError, RoundRepeatedError
from highstreet.client.ledger import AnsweredRound, Ledger, OpenedRound
from highstreet.privacy.errors import BudgetExhaustedError, ReleaseRefusedError, UnsupportedReleaseError
from highstreet.privacy.releases import Neighbouring, customer_release
from tests.client.made_up_ledger import BUDGET, COHORT, LIMITS, ONE, TODAY, key, open_round, reopen


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "ledger.db"


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
    assert (spending.rounds, spending.customers) == (1, 0)
    assert spending.counted_epsilon == opened.epsilon
    book.close()
    again = reopen(path)
    assert open_round(again, key()) == AnsweredRound(key=key(), reply=b"noise alone")
    again.close()


def test_nobody_joins_a_round_that_was_opened_for_nobody(book):
    open_round(book, key(), cohort=())
    assert open_round(book, key(), cohort=COHORT).customers == ()


def test_a_customer_named_twice_is_charged_and_used_once(book):
    assert open_round(book, key(), cohort=("anna", "anna")).customers == ("anna",)


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


def test_spending_says_what_one_who_took_part_in_every_round_has_lost(book):
    assert book.spending(BUDGET, today=TODAY).counted_epsilon == 0
    open_round(book, key(0))
    open_round(book, key(1), cohort=("anna",))
    book.store_reply(key(0), b"noisy")
    spending = book.spending(BUDGET, today=TODAY)
    assert (spending.rounds, spending.replies, spending.customers) == (2, 1, 3)
    assert spending.releases == (ONE, ONE)
    assert spending.counted_epsilon == pytest.approx(1.06, abs=0.01)
    weak = customer_release(noise_multiplier=20.0)
    open_round(book, key(2), cohort=(), release=weak)
    later = book.spending(BUDGET, today=TODAY)
    assert later.releases == (ONE, ONE, weak)  # nobody known took part in the last, and it counts
    assert later.counted_epsilon > spending.counted_epsilon  # what the next round is judged by


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
