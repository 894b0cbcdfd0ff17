"""Where nothing is measured of bias, founder, coordinator, members and readers of a statement are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from biased_coop import gated
from page_outline import PageOutline
from published import publish

from highstreet.audit.bias_planning import rules_in_words
from highstreet.audit.bias_words import checked_in_words
from highstreet.audit.charter import Charter
from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignedDocument
from highstreet.audit.statement import read_statement
from highstreet.cli import main
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.store_status import store_status
from highstreet.server.home import CoopHome
from highstreet.server.release_statement import make_statement
from tests.client.fetched import fetch_release

Said = Callable[..., str]


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def type_in(*words: object) -> str:
        assert main([str(word) for word in words]) == 0
        return capsys.readouterr().out

    return type_in


def test_who_founds_is_told_that_nothing_is_checked_and_what_it_takes(said: Said, tmp_path: Path) -> None:
    place = tmp_path / "coop"
    out = said("coop", "init", "--home", place, "--stores", 30)
    lines = list(rules_in_words(CoopHome(place).charter(), stores=30))
    assert lines[0].startswith("NO RELEASE IS CHECKED FOR BIAS")
    assert all(f"  {line}\n" in out for line in lines)
    assert "--measure history --measure exposure" in out
    assert out.count(" if 30 do") == 4
    checked = said("coop", "charter", "check", "--home", place)
    assert "NO RELEASE IS CHECKED FOR BIAS" in checked
    assert checked.count(" if 12 do") == 4
    assert "\nNo release is checked for bias: the charter measures none." in said(
        "coop", "status", "--home", place
    )


def test_where_something_is_measured_nobody_is_told_that_nothing_is(
    said: Said, found: Callable[..., CoopHome], charter_with: Callable[..., Charter]
) -> None:
    home = found(charter=gated(charter_with()))
    assert "NO RELEASE IS CHECKED" not in said("coop", "charter", "check", "--home", home.root)
    status = said("coop", "status", "--home", home.root)
    assert "\nEach release is checked for bias before it is out, by the rules history_alike." in status


def test_members_and_readers_of_a_statement_are_told(coop: Any, store: StoreHome, said: Said) -> None:
    promised = said("store", "promise", "--home", store.root)
    assert f"  {checked_in_words(coop.home.charter())}\n" in promised
    publish(coop, 1)
    fetch_release(coop, store)
    (line,) = store_status(store).bias
    assert line.startswith("no bias measured: the charter measures none")
    for words in (("store", "status", "--home", store.root), ("coop", "releases", "--home", coop.home.root)):
        assert line in said(*words)
    signed, page = make_statement(coop.home, None, audit=None, now=datetime.now(UTC)).values()
    stated: dict[str, Any] = dict(read_statement(SignedDocument.from_file_bytes(signed)).says())
    assert stated["bias"]["verdict"] == "not measured"
    assert any(each.startswith("Fairness: no bias measured.") for each in stated["not_promised"])
    outline = PageOutline(page.decode())
    assert outline.text.count("No bias measured: the charter measures none") == 2
    assert outline.problems() == []
