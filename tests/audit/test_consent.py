"""Consent decisions: off by default, apart, the latest answer counts, a withdrawal beats a grant."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.charter import COOP_LEARNING, MATCHING
from highstreet.audit.consent import (
    Answer,
    ConsentEvent,
    ConsentState,
    Purpose,
    consent_states,
    read_log,
)
from highstreet.audit.errors import InconsistentConsentLogError, UnknownPurposeError

GRANT, WITHDRAWAL = Answer.GRANT, Answer.WITHDRAWAL
COOP, HERE = Purpose.COOP_LEARNING, Purpose.SUGGESTIONS_HERE


def _log(*said: tuple[int, Purpose, Answer, int]) -> list[ConsentEvent]:
    return [
        ConsentEvent(position=place, customer=who, purpose=purpose, answer=answer, recorded_at=when)
        for place, (who, purpose, answer, when) in enumerate(said, start=1)
    ]


events = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(Purpose), st.sampled_from(Answer), st.integers(-5, 5)),
    max_size=12,
).map(lambda said: _log(*said))


def test_nobody_has_agreed_before_being_asked() -> None:
    assert consent_states([], purpose=COOP) == {}


def test_a_yes_to_one_purpose_says_nothing_about_another() -> None:
    log = _log((1, COOP, GRANT, 10))
    assert consent_states(log, purpose=COOP) == {1: ConsentState.GRANTED}
    assert consent_states(log, purpose=HERE) == {}


def test_an_old_yes_imported_late_does_not_undo_a_newer_withdrawal() -> None:
    log = _log((1, COOP, WITHDRAWAL, 20), (1, COOP, GRANT, 10))
    assert consent_states(log, purpose=COOP) == {1: ConsentState.WITHDRAWN}


def test_a_later_yes_counts_again() -> None:
    log = _log((1, COOP, WITHDRAWAL, 20), (1, COOP, GRANT, 21))
    assert consent_states(log, purpose=COOP) == {1: ConsentState.GRANTED}


@given(log=events, purpose=st.sampled_from(Purpose))
def test_granted_means_a_grant_later_than_every_withdrawal(log: list[ConsentEvent], purpose: Purpose) -> None:
    states = consent_states(log, purpose=purpose)
    for customer in range(1, 5):
        mine = [e for e in log if e.customer == customer and e.purpose is purpose]
        grants = [e.recorded_at for e in mine if e.answer is GRANT]
        withdrawals = [e.recorded_at for e in mine if e.answer is WITHDRAWAL]
        stands = bool(grants) and max(grants) > max(withdrawals, default=-(10**9))
        assert (states.get(customer) is ConsentState.GRANTED) == stands


@given(log=events, purpose=st.sampled_from(Purpose), data=st.data())
def test_the_order_in_the_log_does_not_matter(
    log: list[ConsentEvent], purpose: Purpose, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(log))
    assert consent_states(shuffled, purpose=purpose) == consent_states(log, purpose=purpose)


@given(log=events, customer=st.integers(1, 4))
def test_a_withdrawal_at_the_latest_moment_always_wins(log: list[ConsentEvent], customer: int) -> None:
    latest = max((e.recorded_at for e in log), default=0)
    last = ConsentEvent(
        position=len(log) + 1, customer=customer, purpose=COOP, answer=WITHDRAWAL, recorded_at=latest
    )
    assert consent_states([*log, last], purpose=COOP)[customer] is ConsentState.WITHDRAWN


def test_a_whole_log_is_read_in_order() -> None:
    log = read_log([(1, 7, "coop_learning", "grant", 5), (2, 7, "coop_learning", "withdrawal", 6)])
    assert log == tuple(_log((7, COOP, GRANT, 5), (7, COOP, WITHDRAWAL, 6)))


@pytest.mark.parametrize(
    "second",
    [
        (3, 7, "coop_learning", "grant", 5),
        (1, 7, "coop_learning", "grant", 5),
        (2, 7, "anything", "grant", 5),
        (2, 7, "coop_learning", "maybe", 5),
        (2, 7, "coop_learning", "grant", "yesterday"),
        (2, None, "coop_learning", "grant", 5),
        (2, True, "coop_learning", "grant", 5),
        (2, 7, "coop_learning", "grant"),
    ],
)
def test_a_log_with_a_gap_or_an_unreadable_entry_is_refused(second: tuple[object, ...]) -> None:
    with pytest.raises(InconsistentConsentLogError, match="entry 2"):
        read_log([(1, 7, "coop_learning", "grant", 5), second])


def test_purposes_are_read_by_name_and_nothing_else_is() -> None:
    assert Purpose.parse(" Coop-Learning ") is COOP
    for text in ("", "everything", "coop"):
        with pytest.raises(UnknownPurposeError) as caught:
            Purpose.parse(text)
        assert "coop_learning" in caught.value.for_user()


def test_the_purposes_that_a_charter_can_name_are_ones_that_customers_can_agree_to() -> None:
    assert (Purpose.COOP_LEARNING, Purpose.MATCHING) == (COOP_LEARNING, MATCHING)


def test_every_purpose_has_words_of_its_own_for_an_owner() -> None:
    words = [purpose.plain_words for purpose in Purpose]
    assert all(a != b for a, b in itertools.combinations(words, 2))
