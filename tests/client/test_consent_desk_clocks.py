"""Which of several answers counts, whatever clock they were given by, and in one moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Channel, ConsentEvent, ConsentState, Method
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_intake import event_number
from highstreet.client.errors import ClockSetBackError
from highstreet.client.importing.importer import Importer
from highstreet.client.vault import Vault
from tests.client.conftest import NOW
from tests.client.turned_clocks import COOP, DAY, SAID, SECOND, Clocks, loaded_by, names_in


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def desk(full_vault: Vault, clocks: Clocks) -> ConsentDesk:
    return clocks.desk(full_vault)


def test_a_clock_set_back_leaves_out_later_grants_and_a_withdrawal_still_counts(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    desk.record("ben", COOP, Act.GIVEN, SAID)
    cohort = desk.cohort(COOP)
    clocks.now -= 3600 * SECOND
    assert names_in(full_vault, loaded_by(full_vault, desk.cohort(COOP))) == {"ann"}
    assert names_in(full_vault, loaded_by(full_vault, cohort)) == {"ann"}
    with pytest.raises(ClockSetBackError):
        desk.record("ben", COOP, Act.GIVEN, SAID)
    desk.record("ben", COOP, Act.WITHDRAWN, SAID)
    clocks.now += 3600 * SECOND
    assert names_in(full_vault, loaded_by(full_vault, cohort)) == {"ann"}


def test_an_answer_recorded_under_a_clock_set_ahead_touches_nobody_else(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    clocks.now += 400 * DAY
    desk.record("ben", COOP, Act.GIVEN, SAID)
    clocks.now -= 400 * DAY
    assert names_in(full_vault, loaded_by(full_vault, desk.cohort(COOP))) == {"ann"}
    assert desk.state(full_vault.customer_key("ben"), COOP) is ConsentState.REFUSED
    desk.record("cat", COOP, Act.GIVEN, SAID)
    assert names_in(full_vault, loaded_by(full_vault, desk.cohort(COOP))) == {"ann", "cat"}


def test_no_grant_is_dated_after_the_clock_because_of_an_earlier_answer(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    clocks.now += 2 * DAY
    desk.record("ben", COOP, Act.WITHDRAWN, SAID)
    clocks.now -= 2 * DAY
    with pytest.raises(ClockSetBackError):
        desk.record("ben", COOP, Act.GIVEN, SAID)


@pytest.mark.parametrize("by", ["command", "file"])
def test_a_withdrawal_ends_a_grant_dated_ahead_for_good(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks, tmp_path: Path, by: str
) -> None:
    clocks.now += 400 * DAY
    desk.record("ben", COOP, Act.GIVEN, SAID)
    clocks.now -= 400 * DAY
    if by == "command":
        desk.record("ben", COOP, Act.WITHDRAWN, SAID)
    else:
        (tmp_path / "c.csv").write_text(
            "customer_id,consent_coop_learning,consent_recorded_at\nben,no,2026-11-20T10:00:00Z\n"
        )
        list(Importer(full_vault, now=NOW).run([tmp_path / "c.csv"]))
    clocks.now += 500 * DAY
    assert names_in(full_vault, loaded_by(full_vault, desk.cohort(COOP))) == {"ann"}


def test_no_file_brings_a_grant_dated_after_the_clock(
    full_vault: Vault, desk: ConsentDesk, tmp_path: Path
) -> None:
    rows = "".join(f"c{n},yes,2026-11-01T10:00:00Z\n" for n in range(9))
    (tmp_path / "c.csv").write_text(
        f"customer_id,consent_coop_learning,consent_recorded_at\n{rows}ben,yes,2026-11-24T10:00:00Z\n"
    )
    list(Importer(full_vault, now=NOW).run([tmp_path / "c.csv"]))
    with full_vault.read() as connection:
        (latest,) = connection.execute('SELECT max("at") FROM consents').fetchone()
    assert latest <= NOW.timestamp() * SECOND
    assert desk.state(full_vault.customer_key("ben"), COOP) is ConsentState.REFUSED


def test_answers_within_one_instant_count_in_the_order_they_were_given(
    full_vault: Vault, desk: ConsentDesk
) -> None:
    ann = full_vault.customer_key("ann")
    for answer, state in (
        (Act.WITHDRAWN, ConsentState.WITHDRAWN),
        (Act.GIVEN, ConsentState.GRANTED),
        (Act.WITHDRAWN, ConsentState.WITHDRAWN),
    ):
        desk.record("ann", COOP, answer, SAID)
        assert desk.state(ann, COOP) is state


def test_signals_are_taken_with_their_own_dates_once(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    ben, cat = full_vault.customer_key("ben"), full_vault.customer_key("cat")

    def signal(customer: int, act: Act, at: int) -> ConsentEvent:
        return ConsentEvent(
            event_id=event_number(),
            customer=customer,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=act,
            at=at,
            method=Method.SIGNAL,
            source="test",
        )

    signals = [
        signal(cat, Act.GIVEN, clocks.now - DAY),
        signal(cat, Act.GIVEN, clocks.now - DAY),
        signal(ben, Act.GIVEN, clocks.now + DAY),  # from the future: not taken
    ]
    assert desk.take(signals) == 1
    assert desk.take(signals) == 0
    assert cat in desk.cohort(COOP).customers
    clocks.now += 2 * DAY
    assert ben not in desk.cohort(COOP).customers
    assert desk.take([signal(cat, Act.OBJECTED, 0)]) == 1  # out of order: an old no ends no later yes
    assert cat in desk.cohort(COOP).customers
    assert desk.take([signal(cat, Act.OBJECTED, clocks.now)]) == 1
    assert desk.state(cat, COOP) is ConsentState.OBJECTED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_two_yeses_of_one_moment_the_one_that_ends_first_is_never_dropped(
    full_vault: Vault, clocks: Clocks, order: tuple[int, ...]
) -> None:
    desk, cat = clocks.desk(full_vault), full_vault.customer_key("cat")
    at, day = clocks.now - SECOND, 86_400 * SECOND
    ends = (None, clocks.now + 2 * day, clocks.now + day)

    def yes(valid_until: int | None) -> ConsentEvent:
        return ConsentEvent(
            event_id=event_number(),
            customer=cat,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=Act.GIVEN,
            at=at,
            valid_until=valid_until,
            method=Method.IMPORT,
            source="file",
        )

    for place in order:
        desk.take([yes(ends[place])])
    assert desk.take([yes(each) for each in ends]) == 0  # each is known, or says less than what is
    assert desk.state(cat, COOP) is ConsentState.GRANTED
    clocks.now += day
    assert desk.state(cat, COOP) is ConsentState.EXPIRED
    assert desk.take([yes(clocks.now + day)]) == 0
    assert desk.state(cat, COOP) is ConsentState.EXPIRED


def test_a_no_of_the_same_moment_is_no_repetition_of_a_yes_and_an_objection_none_of_a_refusal(
    full_vault: Vault, clocks: Clocks
) -> None:
    desk, cat = clocks.desk(full_vault), full_vault.customer_key("cat")

    def said(act: Act) -> ConsentEvent:
        return ConsentEvent(
            event_id=event_number(),
            customer=cat,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=act,
            at=clocks.now,
            method=Method.IMPORT,
            source="file",
        )

    for act, is_new in (
        (Act.GIVEN, True),
        (Act.REFUSED, True),
        (Act.WITHDRAWN, False),
        (Act.OBJECTED, True),
        (Act.REFUSED, False),
        (Act.GIVEN, False),
    ):
        assert desk.take([said(act)]) == int(is_new), act
    assert desk.state(cat, COOP) is ConsentState.OBJECTED
