"""A store leaves with its data; the coordinator is told, or knows already, or is left out on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.limits import StoreLimits
from highstreet.cli import main
from highstreet.client import departure as departure_module
from highstreet.client.departure import leave_coop
from highstreet.client.errors import (
    CoopUnreachableError,
    MatchingOverError,
    NotJoinedError,
    StoreConfigError,
)
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.matching_state import MatchingState
from highstreet.client.membership import is_joined, load_membership
from highstreet.client.person_counts import PersonCounts
from highstreet.files import FileAccessError
from highstreet.privacy.matching import Counts
from highstreet.processes import AlreadyRunningError, run_lock
from highstreet.server.database import connect
from highstreet.server.membership import current_members, leave
from tests.client.made_up_context import OWN, matching_context


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    home.vault.write_bytes(b"customers")
    home.ledger.write_bytes(b"spent")
    home.releases.mkdir()
    (home.releases / "000001.safetensors").write_bytes(b"model")
    return home


def _members(coop: Any) -> int:
    with closing(connect(coop.home.database)) as connection:
        return len(current_members(connection))


def test_data_and_ledger_stay_papers_are_put_away_keys_are_gone(coop: Any, store: StoreHome) -> None:
    left = leave_coop(store)
    assert _members(coop) == 0
    assert coop.nodes == {}
    assert not is_joined(store)
    assert (store.vault.read_bytes(), store.ledger.read_bytes()) == (b"customers", b"spent")
    assert (left.papers / "releases" / "000001.safetensors").read_bytes() == b"model"
    assert (left.papers / "coop" / "charter.json").is_file()
    assert left.papers.stat().st_mode & 0o777 == 0o700
    assert not store.keys.exists()
    with pytest.raises(NotJoinedError):
        leave_coop(store)


def test_the_second_of_two_that_leave_is_told_that_it_is_done(
    store: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def after_another(path: Path, *, what: str) -> Iterator[None]:
        monkeypatch.setattr(departure_module, "run_lock", run_lock)
        leave_coop(store)
        with run_lock(path, what=what):
            yield

    monkeypatch.setattr(departure_module, "run_lock", after_another)
    with pytest.raises(NotJoinedError, match="in no co-op"):
        leave_coop(store, alone=True)
    assert not store.coop.exists()


def test_secrets_of_matchings_and_counts_are_gone_and_that_there_was_one_is_known(
    coop: Any, store: StoreHome
) -> None:
    context = matching_context()
    with MatchingState.open(store.matching, vault_id="v") as state:
        state.begin(context, day=100, period_days=365)
        secret = state.draw_holder(context, OWN).secret_key
    PersonCounts(store.person_counts, vault_id="v").save(
        b"t" * 32, Counts({"1": 2}), {"1": b"ann"}, consent_position=0
    )
    half_written = store.person_counts.with_name(f".{store.person_counts.name}.123.tmp")
    half_written.write_bytes(b"counts, too")
    left = leave_coop(store)
    assert not {store.person_counts.name, half_written.name} & {path.name for path in left.papers.rglob("*")}
    assert secret not in store.matching.read_bytes()
    with MatchingState.open(store.matching, vault_id="v") as state, pytest.raises(MatchingOverError):
        state.holder(context, OWN)


def test_who_left_can_come_back_with_new_keys(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    before = load_membership(store).member_id
    leave_coop(store)
    join_coop(store, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    assert load_membership(store).member_id != before
    assert _members(coop) == 1


def test_a_store_the_coordinator_has_removed_leaves_as_well(coop: Any, store: StoreHome) -> None:
    with closing(connect(coop.home.database)) as connection:
        leave(connection, load_membership(store).member_id, now=1)
    leave_coop(store)
    assert not is_joined(store)


@pytest.mark.parametrize("member_id", ["..", "PLACE", "", "00" * 8 + "\n", "A" * 16])
def test_a_member_id_from_outside_is_never_a_path(coop: Any, store: StoreHome, member_id: str) -> None:
    place = store.root.parent / "public_html"
    place.mkdir(mode=0o755)
    file = store.coop / "membership.json"
    held = json.loads(file.read_text())
    file.write_text(json.dumps({**held, "member_id": member_id.replace("PLACE", str(place))}))
    with pytest.raises(StoreConfigError, match="damaged"):
        leave_coop(store, alone=True)
    assert store.keys.exists()
    assert list(place.iterdir()) == []
    assert place.stat().st_mode & 0o777 == 0o755


def test_the_store_names_the_folder_of_its_papers_itself(coop: Any, store: StoreHome) -> None:
    member_id = load_membership(store).member_id
    papers = leave_coop(store).papers
    assert papers.parent == store.former
    assert member_id not in papers.name


def _files(store: StoreHome) -> dict[Path, bytes]:
    found = (path for path in store.root.rglob("*") if path.is_file() and path != store.lock)
    return {path: path.read_bytes() for path in found}


def _unreachable(home: StoreHome, *, to_leave: bool) -> Any:
    raise CoopUnreachableError("Nobody answers.")


def test_without_an_answer_nothing_changes_unless_it_is_not_asked_for(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departure_module, "member_caller", _unreachable)
    before = _files(store)
    with pytest.raises(CoopUnreachableError):
        leave_coop(store)
    assert _files(store) == before
    leave_coop(store, alone=True)
    assert not is_joined(store)
    assert _members(coop) == 1


@pytest.mark.parametrize("moves", [0, 1])
def test_a_departure_that_broke_off_is_finished_without_the_coordinator(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    done: list[Path] = []

    def breaks(place: Path, target: Path) -> None:
        if len(done) == moves:
            raise OSError(28, "No space left on device")
        done.append(place)
        place.rename(target)

    with monkeypatch.context() as patched:
        patched.setattr(departure_module, "_move", breaks)
        with pytest.raises(FileAccessError):
            leave_coop(store)
    assert is_joined(store)
    monkeypatch.setattr(departure_module, "member_caller", _unreachable)
    left = leave_coop(store)
    assert not is_joined(store)
    assert {path.name for path in left.papers.iterdir()} == {"coop", "releases"}


def test_a_departure_that_broke_off_without_keys_says_how_to_finish_it(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(place: Path, target: Path) -> None:
        if place == store.coop:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(departure_module, "_move", breaks)
        with pytest.raises(FileAccessError):
            leave_coop(store)
    capsys.readouterr()
    assert main(["store", "members", "--home", str(store.root)]) == 1
    assert "Finish it: `highstreet store leave`" in capsys.readouterr().err
    assert main(["store", "leave", "--home", str(store.root)]) == 0


def test_papers_are_where_they_go_before_they_are_gone_from_where_they_were(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut leaves them in neither place."""
    synced: list[Path] = []
    monkeypatch.setattr(departure_module, "sync_folder", synced.append)
    papers = leave_coop(store, alone=True).papers
    assert synced == [papers, store.root]


def test_a_running_store_is_stopped_first(coop: Any, store: StoreHome) -> None:
    with run_lock(store.lock, what="This store"), pytest.raises(AlreadyRunningError):
        leave_coop(store)
    assert _members(coop) == 1


@pytest.mark.parametrize("words", [(), ("--alone",)])
def test_the_command_says_what_stays_where(
    coop: Any, store: StoreHome, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["store", "leave", *words, "--home", str(store.root)]) == 0
    out = capsys.readouterr().out
    assert "has left Hill Road" in out
    assert "Kept here: customers" in out
    assert str(store.former) in out
    assert ("was not told" in out) == bool(words)
