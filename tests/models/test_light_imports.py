from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "highstreet.models.programme",
        "highstreet.models.local",
        "highstreet.models.serving",
        "highstreet.client.suggestions",
        "highstreet.client.store_status",
    ],
)
def test_suggesting_and_looking_load_no_torch(module: str) -> None:
    program = (
        f"import sys, {module}; sys.exit(' '.join({{'torch', 'opacus', 'flwr'}} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
