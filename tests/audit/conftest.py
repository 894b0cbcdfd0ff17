"""What the tests of `audit` share lies beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tests.audit.made_up_log import MadeUpLog


@pytest.fixture
def log(tmp_path: Path) -> MadeUpLog:
    """24 entries; a witness saw it at 6, 12, 18 and 24."""
    return MadeUpLog(tmp_path)
