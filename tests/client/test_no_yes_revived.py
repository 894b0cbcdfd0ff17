"""Ways in which a yes that was taken back could count again, tried one by one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Channel, Purpose
from highstreet.audit.errors import ConsentLogRewoundError
from highstreet.client import consent_anchor
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_restoration import accept_restored_log
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.erasure import erase_customers
from highstreet.client.exposure import Exposure, exposures_of
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.pseudonyms import ledger_names
from highstreet.client.vault import Vault
from highstreet.files import DiskFullError
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release
from tests.client.conftest import NOW
from tests.client.rewound_shop import COOP, SAID, SECONDS, Shop

MINORS = "customer_id,minor,consent_recorded_at\ncat,yes,\n"
DAY = 86_400 * SECONDS
LIMITS = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-6, period_days=365))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def _restricted_and_put_back(shop: Shop) -> None:
    """Ann is restricted; then a copy from before is put back, in which she is not."""
    copy = shop.copied()
    with Vault.open(shop.home.vault) as vault:
        shop.desk(vault).exclude("ann", Exclusion.RESTRICTED)
    shop.put_back(copy)


def _is_refused(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as vault, pytest.raises(ConsentLogRewoundError):
        shop.desk(vault).cohort(COOP)


def test_a_file_that_names_a_minor_does_not_stand_in_for_a_restriction_that_was_lost(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    _restricted_and_put_back(shop)
    begin_anew()
    _is_refused(shop)
    with pytest.raises(ConsentLogRewoundError):
        shop.imported("minors", "customers.csv", MINORS)
    _is_refused(shop)
    begin_anew()
    _is_refused(shop)
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).exclusions(vault.customer_key("cat")) == frozenset()


def test_the_erasure_of_somebody_set_apart_does_not_stand_in_for_a_restriction_that_was_lost(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    with Vault.open(shop.home.vault) as vault:
        shop.desk(vault).exclude("cat", Exclusion.MINOR)  # who never answered anything
    _restricted_and_put_back(shop)
    begin_anew()
    _is_refused(shop)
    erase_customers(shop.home, ["cat"], source="person", now=NOW)
    _is_refused(shop)
    begin_anew()
    _is_refused(shop)


def test_settings_that_are_changed_after_tidying_bring_no_old_yes_back(shop: Shop) -> None:
    settings = shop.home.root / "store.toml"
    settings.write_text("[consent]\nvalid_days = 690\nkeep_days = 690\n")
    shop.said("ann", Act.WITHDRAWN)
    shop.now += 691 * DAY
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).forget_old() == 2
        assert shop.desk(vault).history(vault.customer_key("ann")) == ()
    settings.write_text("")  # the owner wants answers to last for ever
    old = "customer_id,consent_coop_learning,consent_recorded_at\nann,yes,2025-01-02T10:00:00Z\n"
    shop.imported("old", "customers.csv", old)
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).cohort(COOP).customers == ()
        shop.desk(vault).record("ann", COOP, Act.GIVEN, SAID)  # a new one counts
        assert shop.desk(vault).cohort(COOP).customers == (vault.customer_key("ann"),)


def test_a_yes_everywhere_that_ran_out_beside_one_on_a_channel_stays_ended_by_a_clock_set_back(
    shop: Shop,
) -> None:
    until = How(method=SAID.method, source="till", valid_until=shop.now + DAY)
    with Vault.open(shop.home.vault) as vault:
        desk, ann = shop.desk(vault), vault.customer_key("ann")
        desk.record("ann", COOP, Act.GIVEN, until)
        shop.now += SECONDS
        desk.record("ann", COOP, Act.GIVEN, SAID, channel=Channel.WEB)
        assert desk.cohort(COOP).customers == (ann,)
        shop.now += 2 * DAY
        assert desk.cohort(COOP).customers == ()
        assert desk.note_expired() == 1
        assert desk.note_expired() == 0
        assert desk.cohort(COOP, channel=Channel.WEB).customers == (ann,)  # that one stands
        shop.now -= 2 * DAY
        assert desk.cohort(COOP).customers == ()
        assert desk.cohort(COOP, channel=Channel.TILL).customers == ()
        assert desk.cohort(COOP, channel=Channel.WEB).customers == (ann,)


@pytest.mark.parametrize("said", ["2026-11-22", "2026-11-22T09:30:00"])
def test_a_no_of_a_day_or_of_no_zone_beats_the_yes_of_that_morning(
    full_vault: Vault, tmp_path: Path, said: str
) -> None:
    """The file may mean any moment of that day, and any place; what is not known favours the no."""
    morning = int(datetime(2026, 11, 22, 9, 45, tzinfo=UTC).timestamp()) * SECONDS
    desk = ConsentDesk(full_vault, clock=lambda: morning)
    desk.record("ann", COOP, Act.GIVEN, SAID)
    file = tmp_path / "customers.csv"
    file.write_text(f"customer_id,consent_coop_learning,consent_recorded_at\nann,no,{said}\n")
    list(Importer(full_vault, now=NOW).run([file]))
    later = ConsentDesk(full_vault, clock=lambda: int(NOW.timestamp()) * SECONDS)
    assert later.cohort(COOP).customers == ()
    later.record("ann", COOP, Act.GIVEN, SAID)  # and a yes that is said now counts at once
    assert later.cohort(COOP).customers == (full_vault.customer_key("ann"),)


def test_a_yes_of_no_zone_does_not_beat_the_no_that_came_after_it(full_vault: Vault, tmp_path: Path) -> None:
    """A shop in Tokyo whose computer goes by UTC: the yes of ten in the morning there is of one o'clock."""
    early = int(datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp()) * SECONDS
    ConsentDesk(full_vault, clock=lambda: early).record("ann", COOP, Act.WITHDRAWN, SAID)
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,consent_coop_learning,consent_recorded_at\nann,yes,2026-11-22T10:00:00\n")
    list(Importer(full_vault, now=NOW).run([file]))
    later = ConsentDesk(full_vault, clock=lambda: int(NOW.timestamp()) * SECONDS)
    assert later.cohort(COOP).customers == ()


def test_an_older_file_does_not_unmark_whom_the_owner_marked_as_a_minor(
    full_vault: Vault, tmp_path: Path
) -> None:
    desk, ann = ConsentDesk(full_vault), full_vault.customer_key("ann")
    desk.exclude("ann", Exclusion.MINOR)
    file = tmp_path / "older.csv"
    file.write_text("customer_id,minor,consent_recorded_at\nann,no,\n")
    list(Importer(full_vault, now=NOW).run([file]))
    assert desk.exclusions(ann) == {Exclusion.MINOR}
    assert desk.cohort(Purpose.SHOP_MODEL).customers == (full_vault.customer_key("ben"),)


@pytest.mark.parametrize("first", ["used", "set apart"])
def test_a_log_that_was_carried_over_is_missed_from_its_first_use_on(
    shop: Shop, begin_anew: Callable[[], None], first: str
) -> None:
    """As after an upgrade from before there were heads: answers are there, and no head was ever kept."""
    shop.by_hand("UPDATE consent_anchor SET is_kept = 0")
    shop.head.unlink()
    begin_anew()
    with Vault.open(shop.home.vault) as vault:
        if first == "used":
            assert shop.desk(vault).cohort(COOP).customers
        else:
            shop.desk(vault).exclude("cat", Exclusion.MINOR)
    shop.head.unlink()
    begin_anew()
    _is_refused(shop)


@pytest.mark.parametrize("said", ["", "2026-11-22", "2026-11-22T23:30:00"])
def test_a_no_that_may_be_from_before_an_erasure_brings_nobody_back(
    shop: Shop, said: str, tmp_path: Path
) -> None:
    erase_customers(shop.home, ["ann"], source="person", now=NOW)
    file = tmp_path / "older.csv"
    file.write_text(f"customer_id,consent_coop_learning,consent_recorded_at\nann,no,{said}\nben,no,{said}\n")
    with Vault.open(shop.home.vault) as vault:
        list(Importer(vault, now=datetime(2026, 11, 23, 12, 0, tzinfo=UTC)).run([file]))
        with vault.read() as connection:
            there = {name for (name,) in connection.execute("SELECT customer_id FROM customers")}
    assert there == {"ben", "cat"}


def test_a_withdrawal_whose_head_finds_no_room_counts_and_nobody_is_used_until_there_is_room(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    copy = shop.copied()

    def full(*_: object) -> None:
        raise DiskFullError("There is no room left.")

    with monkeypatch.context() as disk:
        disk.setattr(consent_anchor, "write_private", full)
        with pytest.raises(DiskFullError):
            shop.said("ann", Act.WITHDRAWN)
        begin_anew()
        with Vault.open(shop.home.vault) as vault:
            with pytest.raises(DiskFullError):
                shop.desk(vault).cohort(COOP)
            with pytest.raises(DiskFullError):
                shop.desk(vault).totals()
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).cohort(COOP).customers == ()
    shop.put_back(copy)
    begin_anew()
    _is_refused(shop)


@pytest.mark.parametrize("is_left_open", [False, True])
def test_an_old_vault_put_back_under_a_log_of_the_newer_one_brings_no_yes_back(
    shop: Shop, begin_anew: Callable[[], None], is_left_open: bool
) -> None:
    """SQLite's own log lies beside the vault when the power goes; somebody puts back the vault alone."""
    copy = shop.copied()
    with Vault.open(shop.home.vault) as vault, vault.read() as reader:
        reader.execute("SELECT count(*) FROM customers").fetchone()  # keeps the log from being emptied
        shop.said("ann", Act.WITHDRAWN)
        log = shop.home.vault.with_name("vault.db-wal").read_bytes()
    assert log
    if is_left_open:
        shop.home.vault.with_name("vault.db-wal").write_bytes(log)
    else:
        shop.home.vault.with_name("vault.db-wal").unlink(missing_ok=True)
    shop.home.vault.with_name("vault.db-shm").unlink(missing_ok=True)
    shop.home.vault.write_bytes(copy.read_bytes())
    begin_anew()
    with Vault.open(shop.home.vault) as vault:
        try:
            used = shop.desk(vault).cohort(COOP).customers
        except ConsentLogRewoundError:
            return
    assert is_left_open
    assert used == ()


def _charged(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as vault, closing(Ledger.open(shop.home.ledger)) as ledger:
        names = ledger_names(vault, shop.desk(vault).cohort(COOP).customers)
        ledger.open_round(
            RoundKey(programme_id="p", phase=0, request_sha256=b"r" * 32),
            release=customer_release(noise_multiplier=50.0),
            cohort=tuple(names.values()),
            limits=LIMITS,
            today=NOW.date(),
        )


def test_a_vault_from_before_customers_were_charged_does_not_say_that_they_never_were(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    copy = shop.copied()
    _charged(shop)

    def exposure() -> Exposure:
        with Vault.open(shop.home.vault) as vault:
            (found,) = exposures_of(shop.home, vault, [vault.customer_key("ann")], today=NOW.date())
        return found

    known = exposure()
    assert (len(known.rounds), known.is_least) == (1, False)
    shop.put_back(copy)
    begin_anew()
    _is_refused(shop)
    accept_restored_log(shop.home)
    assert exposure().is_least
    assert exposure().counted_epsilon == known.counted_epsilon > 0
