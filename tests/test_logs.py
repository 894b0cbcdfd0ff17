"""Nothing personal and no secret reaches a log, however it is handed over."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from highstreet.logs import configure_logs, drop_private


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    file = tmp_path / "test.log"
    configure_logs(file)
    yield file
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_field_nobody_allowed_is_dropped(log_file: Path) -> None:
    structlog.get_logger("a").info("round closed", round=3, customer="ann", items=["tea"], seconds=1.5)
    text = log_file.read_text()
    assert "round=3" in text
    assert "seconds=1.5" in text
    assert "dropped=2" in text
    assert "ann" not in text
    assert "tea" not in text


@pytest.mark.parametrize(
    "secret",
    [
        "ann.smith@example.org",
        "044K2CHQ-5RR2WC1E-64JE12EC-JHWTTD6K",
        "deadbeef" * 8,
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_inside_a_text_is_left_out_of_both_kinds_of_logger(log_file: Path, secret: str) -> None:
    logging.getLogger("std").warning("before %s after", secret)
    structlog.get_logger("own").warning("told", reason=f"before {secret} after")
    text = log_file.read_text()
    assert text.count("before [left out] after") == 2
    assert secret.splitlines()[-1] not in text


def test_an_exception_is_named_and_placed_but_not_quoted(log_file: Path) -> None:
    try:
        raise ValueError("ann bought tea")
    except ValueError:
        logging.getLogger("std").exception("a round failed")
    text = log_file.read_text()
    assert "error=ValueError" in text
    assert "where=test_logs.py:" in text
    assert "ann" not in text


def test_values_that_are_not_plain_are_dropped() -> None:
    event = drop_private(None, "info", {"event": "x", "reason": b"bytes", "round": object()})
    assert event == {"event": "x", "dropped": 2}


def test_a_long_text_is_cut() -> None:
    event = drop_private(None, "info", {"event": "y z " * 10_000})
    assert len(event["event"]) == 300


def test_the_log_is_for_its_owner_only(log_file: Path) -> None:
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600
