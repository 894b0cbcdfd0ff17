"""`highstreet store consent` as an owner types it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from highstreet.cli import main


class Store:
    """A store with the files of `conftest` in it, and commands for it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], files: Path, root: Path) -> None:
        self.capsys, self.root = capsys, root
        main(["store", "import", str(files), "--yes", "--home", str(root)])
        capsys.readouterr()

    def said(self, *words: str | Path, status: int = 0) -> str:
        found = main(["store", "consent", *map(str, words), "--home", str(self.root)])
        out, err = self.capsys.readouterr()
        assert found == status, err
        return out + err


@pytest.fixture
def store(capsys: pytest.CaptureFixture[str], shop_files: Path, tmp_path: Path) -> Store:
    return Store(capsys, shop_files, tmp_path / "store")


def test_what_a_customer_said_is_shown_with_how_where_and_under_which_notice(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "notice.txt").write_text("We count at how many shops you shop.")
    told = store.said("notice", "2026-11", "en", tmp_path / "notice.txt")
    sha256 = hashlib.sha256(b"We count at how many shops you shop.").hexdigest()
    assert sha256 in told
    assert f"2026-11 (en): SHA-256 {sha256}" in store.said("notices")
    words = ("--how", "form", "--place", "till 2", "--notice", "2026-11:en", "--valid-days", "30")
    store.said("record", "cat", "matching", "yes", *words)
    shown = store.said("show", "cat")
    assert "counting at how many of our co-op's shops you shop: granted" in shown
    assert "form, till 2; notice 2026-11 (en); until " in shown


def test_a_notice_is_never_given_another_text_or_another_name(store: Store, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")
    (tmp_path / "two").write_text("two")
    store.said("notice", "7", "en", tmp_path / "one")
    store.said("notice", "7", "en", tmp_path / "one")
    for version, file in (("7", "two"), ("8", "one")):
        assert "another text" in store.said("notice", version, "en", tmp_path / file, status=1)
    store.said("notice", "7", "de", tmp_path / "two")
    for version, language in (("", "en"), ("7 7", "en"), ("7", "English!"), ("x" * 33, "en")):
        store.said("notice", version, language, tmp_path / "one", status=1)
    (tmp_path / "bad").write_bytes(b"\xff\xfe\xff")
    assert "UTF-8" in store.said("notice", "9", "en", tmp_path / "bad", status=1)
    assert len(store.said("notices").splitlines()) == 2


def test_a_no_on_one_channel_is_shown_beside_where_it_holds_otherwise(store: Store) -> None:
    store.said("record", "cat", "email_marketing", "yes")
    store.said("record", "cat", "email_marketing", "no", "--channel", "sms")
    (line,) = [each for each in store.said("show", "cat").splitlines() if each.startswith("offers by e-mail")]
    assert line.startswith("offers by e-mail: withdrawn (till: granted, web: granted, email: granted, phone")
    assert "sms" not in line


def test_a_first_no_is_a_refusal_and_a_later_one_a_withdrawal(store: Store) -> None:
    store.said("record", "cat", "shop_model", "no")
    assert "own model: refused" in store.said("show", "cat")
    store.said("record", "cat", "shop_model", "yes")
    store.said("record", "cat", "shop_model", "no")
    assert "own model: withdrawn" in store.said("show", "cat")
    store.said("record", "cat", "shop_model", "objects")
    assert "own model: objected" in store.said("show", "cat")
    store.said("record", "cat", "matching", "asked")
    assert "shops you shop: asked" in store.said("show", "cat")


def test_programs_get_states_by_channel_and_events(store: Store) -> None:
    plain = json.loads(store.said("show", "ann", "--json"))
    assert plain["states"]["coop_learning"]["web"] == "granted"
    assert [event["act"] for event in plain["events"]] == ["given"] * 3
    assert plain["events"][0]["position"] == 1


def test_counts_tell_of_everybody_and_of_the_log(store: Store) -> None:
    told = store.said("counts")
    assert "learning together with the co-op: 1 yes, 1 no, 0 to be asked again, 1 not asked." in told
    assert "The log has 6 entries" in told


def test_minors_are_set_apart_until_it_is_taken_back(store: Store) -> None:
    store.said("minor", "ann", "yes")
    assert "used for nothing, whatever was agreed to: minor" in store.said("show", "ann")
    store.said("minor", "ann", "no")
    assert "minor" not in store.said("show", "ann")


def test_everybody_can_be_asked_again(store: Store) -> None:
    store.said("ask-again", "shop_model", "--yes")
    assert "own model: reconsent needed" in store.said("show", "ann")
    assert "co-op: granted" in store.said("show", "ann")


def test_a_log_put_back_is_told_and_accepted_by_a_command(store: Store, tmp_path: Path) -> None:
    assert "nothing was changed" in store.said("accept-restored", "--yes")
    shutil.copy(store.root / "vault.db", tmp_path / "copy.db")
    store.said("record", "ann", "shop_model", "no")
    shutil.copy(tmp_path / "copy.db", store.root / "vault.db")
    for words in (("show", "ann"), ("counts",), ("record", "ann", "matching", "yes")):
        assert "accept-restored" in store.said(*words, status=1)
    assert "Nobody agrees to anything" in store.said("accept-restored", "--yes")
    assert "own model: reconsent needed" in store.said("show", "ann")
    store.said("record", "ann", "shop_model", "yes")
    assert "own model: granted" in store.said("show", "ann")
