"""What a terminal could act on is spelled out; what people write is left as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.cli import main
from highstreet.errors import HighstreetError
from highstreet.printable import printable


@given(st.text())
def test_nothing_unprintable_ever_passes(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_what_prints_is_left_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\r", "\n", "\x7f", "\u202e", "\u2066", "\u200b", "\u2028"])
def test_signs_that_act_are_spelled_out(sign: str) -> None:
    assert printable(f"a{sign}b").startswith("a\\")


def test_an_error_brings_no_escape_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise HighstreetError("Hill\x1b[2K Road\u202e.", next_step="Look.")

    monkeypatch.setattr("highstreet.cli._root", fails)
    assert main(["store"]) == 1
    assert capsys.readouterr().err == "highstreet: Hill\\x1b[2K Road\\u202e. Look.\n"
