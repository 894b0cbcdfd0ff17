"""How long a yes counts and an answer is kept, as the shop's settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.consent import Act, Channel, ConsentState, Purpose
from highstreet.client import consent
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_ends import who_is_old
from highstreet.client.errors import StoreConfigError
from highstreet.client.importing.importer import Importer
from highstreet.client.shop_totals import best_sellers
from highstreet.client.vault import Vault
from tests.client.conftest import NOW
from tests.client.turned_clocks import COOP, DAY, SAID, Clocks


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def _settings(vault: Vault, text: str) -> None:
    vault.path.with_name("store.toml").write_text(f"[consent]\n{text}\n")


def test_the_shops_longest_validity_ends_a_yes_by_the_clock_and_it_stays_ended(
    full_vault: Vault, clocks: Clocks
) -> None:
    ann = full_vault.customer_key("ann")
    _settings(full_vault, "valid_days = 700")  # Ann said yes on 2 January 2025, 689 days ago
    assert clocks.desk(full_vault).cohort(COOP).customers == (ann,)
    clocks.now += 12 * DAY
    desk = clocks.desk(full_vault)
    assert desk.cohort(COOP).customers == ()
    assert desk.state(ann, COOP) is ConsentState.EXPIRED
    assert desk.counts()[COOP].lapsed == 1
    # Noted, a clock set back does not bring it back; not noted, it would.
    clocks.now -= 12 * DAY
    assert desk.cohort(COOP).customers == (ann,)
    clocks.now += 12 * DAY
    assert desk.note_expired() == 4  # three of Ann's and one of Ben's
    assert desk.note_expired() == 0
    clocks.now -= 12 * DAY
    assert desk.cohort(COOP).customers == ()
    clocks.now += 13 * DAY
    desk.record("ann", COOP, Act.GIVEN, SAID)
    assert desk.cohort(COOP).customers == (ann,)


def test_answers_without_a_yes_that_counts_are_kept_as_long_as_the_shop_says(
    full_vault: Vault, clocks: Clocks, tmp_path: Path
) -> None:
    desk, root = clocks.desk(full_vault), clocks.desk(full_vault).root()
    assert desk.forget_old() == 0  # all is kept unless the shop says so
    _settings(full_vault, "valid_days = 690\nkeep_days = 700")
    ben = full_vault.customer_key("ben")
    desk = clocks.desk(full_vault)
    clocks.now += 10 * DAY
    assert desk.forget_old() == 0
    desk.record("ann", COOP, Act.WITHDRAWN, SAID)
    clocks.now += 10 * DAY
    assert desk.forget_old() == 1  # Ben; Ann said something ten days ago
    assert desk.history(ben) == ()
    assert len(desk.history(full_vault.customer_key("ann"))) == 4
    assert desk.position() == root.position + 1
    # The old file again: what it says has run out.
    (tmp_path / "c.csv").write_text(
        "customer_id,consent_coop_learning,consent_recorded_at\nben,yes,2025-01-01T00:00:00Z\n"
    )
    list(Importer(full_vault, now=NOW).run([tmp_path / "c.csv"]))
    assert desk.cohort(COOP).customers == ()


def test_who_says_something_while_old_answers_are_looked_for_is_not_emptied(
    full_vault: Vault, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settings(full_vault, "valid_days = 20\nkeep_days = 20")
    desk, ben = clocks.desk(full_vault), full_vault.customer_key("ben")
    looks: list[list[int]] = []

    def looked(*asked: Any) -> list[int]:
        looks.append(who_is_old(*asked))
        if len(looks) == 1:  # in another process, before anything is emptied
            with Vault.open(full_vault.path) as other:
                clocks.desk(other).record("ben", COOP, Act.GIVEN, SAID)
        return looks[-1]

    monkeypatch.setattr(consent, "who_is_old", looked)
    assert desk.forget_old() == 1
    assert looks == [[full_vault.customer_key("ann"), ben], [full_vault.customer_key("ann")]]
    assert desk.state(ben, COOP) is ConsentState.GRANTED


@pytest.mark.parametrize("channel", [Channel.EVERYWHERE, Channel.TILL])
def test_an_objection_that_stands_is_never_forgotten_while_its_customer_is_here(
    full_vault: Vault, clocks: Clocks, channel: Channel
) -> None:
    _settings(full_vault, "valid_days = 20\nkeep_days = 20")
    desk = clocks.desk(full_vault)
    ann, ben = full_vault.customer_key("ann"), full_vault.customer_key("ben")
    for purpose in (Purpose.SUGGESTIONS_HERE, Purpose.SHOP_MODEL):
        desk.record("ann", purpose, Act.OBJECTED, SAID, channel=channel)
    desk.record("ben", Purpose.SHOP_MODEL, Act.OBJECTED, SAID)
    clocks.now += DAY
    desk.record("ben", Purpose.SHOP_MODEL, Act.WITHDRAWN, SAID)  # his last word objects no more
    before = best_sellers(full_vault, desk.totals(), since_day=0)
    clocks.now += 30 * DAY
    assert desk.forget_old() == 1
    assert desk.history(ben) == ()
    assert desk.state(ann, Purpose.SHOP_MODEL, channel) is ConsentState.OBJECTED
    assert best_sellers(full_vault, desk.totals(), since_day=0) == before


@pytest.mark.parametrize("text", ["keep_days = 10", "valid_days = 20\nkeep_days = 10", "valid_days = -1"])
def test_settings_that_would_let_an_old_yes_come_back_open_nothing(full_vault: Vault, text: str) -> None:
    _settings(full_vault, text)
    with pytest.raises(StoreConfigError):
        ConsentDesk(full_vault).cohort(COOP)
    # But a no is taken whatever the settings say.
    ConsentDesk(full_vault).record("ann", COOP, Act.WITHDRAWN, SAID)
