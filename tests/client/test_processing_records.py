"""Records of processing: what is really set and found is in them, and what cannot be known is a blank."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from page_outline import PageOutline

from highstreet.audit.limits import StoreLimits
from highstreet.audit.processing_records import Blank, MeasureState, ProcessingRecords
from highstreet.audit.report_pages.records_page import records_files
from highstreet.cli import main
from highstreet.client.config import StoreConfig, write_default_config
from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import ImportResult
from highstreet.client.join import join_coop
from highstreet.client.processing_records import gather_records
from highstreet.client.security_measures import measures_of
from highstreet.client.vault import Vault
from highstreet.server.processing_records import gather_records as gather_of_coop

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = "</style><script>alert(1)</script>{{ 123457*3 }}"


@pytest.fixture
def home(
    vault: Vault, tmp_path: Path, shop_files: Path, load: Callable[..., list[ImportResult]]
) -> StoreHome:
    load(shop_files)
    vault.close()
    return StoreHome(tmp_path / "store")


def _states(records: ProcessingRecords) -> dict[str, MeasureState]:
    return {each.what: each.state for each in records.measures}


def _state(records: ProcessingRecords, words: str) -> MeasureState:
    (found,) = [state for what, state in _states(records).items() if words in what]
    return found


def _set(home: StoreHome, **settings: str) -> None:
    """Replace lines of the default store.toml."""
    write_default_config(home)
    lines = home.config.read_text().splitlines()
    for name, value in settings.items():
        (place,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[place] = f"{name} = {value}"
    home.config.write_text("\n".join(lines) + "\n")


def test_a_shop_that_said_nothing_is_asked_for_all_a_program_cannot_know(home: StoreHome) -> None:
    records = gather_records(home, now=NOW)
    assert {name for name, entry in records.controller.items() if isinstance(entry, Blank)} == {
        "name",
        "contact",
        "country",
        "representative",
        "data_protection_officer",
    }
    asked = " ".join(records.blanks)
    for words in ("the ground for keeping them", "how long orders are kept", "The disk is encrypted"):
        assert words in asked
    plain = records.to_dict()
    assert plain["controller"]["name"] == {  # type: ignore[call-overload, index]
        "blank": "the shop's name ([shop] in store.toml)"
    }


def test_settings_are_in_the_record_as_they_are_set(home: StoreHome) -> None:
    before = json.dumps(gather_records(home, now=NOW).to_dict())
    _set(
        home,
        name='"Käse & Co"',
        contact='"hello@kaese.example"',
        country='"AT"',
        valid_days="400",
        keep_days="900",
        backup_days="14",
        max_epsilon="2.5",
    )
    records = gather_records(home, now=NOW)
    text = json.dumps(records.to_dict(), ensure_ascii=False)
    for words in (
        "Käse & Co",
        "hello@kaese.example",
        "a yes counts for 400 days at most",
        "emptied 900 days after",
        "is kept for 14 days",
        "At most epsilon 2.5",
    ):
        assert words in text
        assert words not in before
    assert not isinstance(records.controller["country"], Blank)


def test_a_shop_in_no_coop_gives_nothing_to_one(home: StoreHome) -> None:
    records = gather_records(home, now=NOW)
    assert not any("coop_learning" in str(each.purposes) for each in records.activities)
    assert not any("matching" in str(each.purposes) for each in records.activities)
    recipients = {entry for each in records.activities for entry in each.recipients}
    assert not any("coordinator" in str(entry) for entry in recipients)


def test_measures_are_on_only_when_found_on(home: StoreHome) -> None:
    records = gather_records(home, now=NOW)
    assert _state(records, "folder that other users") is MeasureState.ON
    assert _state(records, "consent that stands") is MeasureState.ON
    assert _state(records, "sensitive kind") is MeasureState.ON
    (home.root / "special_products.toml").write_text("[kinds")
    (home.root / "consent.head").write_text("{}")
    records = gather_records(home, now=NOW)
    assert _state(records, "consent that stands") is MeasureState.OFF
    assert _state(records, "sensitive kind") is MeasureState.OFF
    assert _state(records, "disk is encrypted") is MeasureState.NOT_KNOWN


def test_a_folder_that_others_can_enter_is_found(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault:  # which makes the folder private
        home.root.chmod(0o750)
        measures = measures_of(home, ConsentDesk(vault), StoreConfig(), None, now=NOW)
    assert measures[0].state is MeasureState.OFF


def test_a_shop_in_a_coop_names_it_its_floor_and_what_is_open_there(
    home: StoreHome, found: Any, run_coop: Any, charter_with: Any, limits: StoreLimits
) -> None:
    coop = run_coop(found(charter=charter_with()))
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    records = gather_records(home, now=datetime.now(UTC))
    (learning,) = [each for each in records.activities if "(coop_learning)" in str(each.purposes)]
    assert "sums over at least 3 shops" in str(learning.recipients)
    assert "Hill Road" in str(learning.recipients)
    (sensitive,) = [each for each in records.activities if "(sensitive_categories)" in str(each.purposes)]
    assert "in the same sums" in str(sensitive.recipients)
    assert any("joint controllers" in each for each in records.blanks)
    assert _state(records, "TLS 1.3") is MeasureState.ON
    assert _state(records, "signed log") is MeasureState.OFF  # it begins when the shop runs
    late = datetime(2200, 1, 1, tzinfo=UTC)
    assert _state(gather_records(home, now=late), "TLS 1.3") is MeasureState.OFF


def test_a_coordinator_holds_no_data_of_a_customer_and_says_what_it_holds(
    found: Any, run_coop: Any, charter_with: Any
) -> None:
    bare = found("bare", charter=charter_with())
    records = gather_of_coop(bare, now=datetime.now(UTC))
    assert _state(records, "signed log") is MeasureState.OFF
    assert _state(records, "worse for a group") is MeasureState.OFF
    assert _state(records, "TLS 1.3") is MeasureState.ON
    assert isinstance(records.controller["name"], Blank)
    assert "sums over at least 3 shops" in str(records.activities[0].data_categories)
    bare.root.chmod(0o711)
    assert _state(gather_of_coop(bare, now=NOW), "folder that other users") is MeasureState.OFF
    coop = run_coop(found(charter=charter_with()))
    assert coop.invite("Corner Shop")
    page = PageOutline(
        records_files(gather_of_coop(coop.home, now=NOW))["records-of-processing.html"].decode()
    )
    assert page.problems() == []
    assert "Corner Shop" not in page.text


def test_no_customer_and_no_count_of_customers_is_in_a_record(home: StoreHome) -> None:
    for data in records_files(gather_records(home, now=NOW)).values():
        for planted in (b"ann", b"Green tea", b"Plum jam"):
            assert planted not in data.replace(b"plan", b"").replace(b"channel", b"").replace(b"cannot", b"")


def test_blanks_are_marked_on_the_page_and_nothing_on_it_runs(home: StoreHome) -> None:
    _set(home, name=json.dumps(HOSTILE), contact=json.dumps(HOSTILE))
    records = gather_records(home, now=NOW)
    page = PageOutline(records_files(records)["records-of-processing.html"].decode())
    assert page.problems() == []
    assert HOSTILE in page.text
    assert "370371" not in page.text
    for question in records.blanks:
        assert question in page.text
    marked = sum(attributes.get("class") == "blank" for _, attributes in page.tags)
    assert marked >= len(records.blanks)


def test_the_commands_write_both_files(
    home: StoreHome, found: Any, charter_with: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coop = found(charter=charter_with())
    for words in (("store", home.root), ("coop", coop.root)):
        out = tmp_path / f"records-{words[0]}"
        given = [words[0], "--home", str(words[1]), "records-of-processing", "--out", str(out)]
        assert main(given) == 0
        assert "marked as blanks" in capsys.readouterr().out
        plain = json.loads((out / "records-of-processing.json").read_text())
        assert plain["format"] == "highstreet records of processing 1"
        assert (out / "records-of-processing.html").stat().st_mode & 0o077 == 0
    empty = StoreHome(tmp_path / "empty")
    assert main(["store", "--home", str(empty.root), "records-of-processing"]) == 1
    assert not empty.vault.exists()
