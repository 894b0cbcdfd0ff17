"""What the coordinator's tests share lies beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from highstreet.cli import main

sys.path.insert(0, str(Path(__file__).parent))

from typed_commands import Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Type a command; get back its status, and what it said on standard output and error."""

    def command(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        told = capsys.readouterr()
        return status, told.out, told.err

    return command
