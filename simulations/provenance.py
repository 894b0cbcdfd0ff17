"""Where a figure comes from: the commit of the code that computed it."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit"]

_WATCHED = ("models", "privacy", "client/contribution.py", "simulations")


def commit() -> str:
    """Return the commit of the source tree, with a plus sign when the code that counts differs from it."""
    root = Path(__file__).resolve().parent.parent
    try:
        head = _git(root, "rev-parse", "--short=10", "HEAD")
        dirty = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *_WATCHED)
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"
    return head + ("+" if dirty else "")


def _git(root: Path, *words: str) -> str:
    result = subprocess.run(  # noqa: S603  fixed words, no shell
        ["git", "-C", str(root), *words],  # noqa: S607  whichever git the researcher has
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return result.stdout.strip()
