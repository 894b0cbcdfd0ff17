"""Where a figure comes from: the command that was run, and the commit of the code that computed it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["command", "command_line", "commit"]

_WATCHED = ("audit", "client/contribution.py", "models", "privacy", "simulations")
_VARIABLES = (  # of threads: they change how long something takes, and the last digits of sums
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def commit() -> str:
    """Return the commit of the source tree, with a plus sign when the code that counts differs from it."""
    root = Path(__file__).resolve().parent.parent
    try:
        head = _git(root, "rev-parse", "--short=10", "HEAD")
        dirty = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *_WATCHED)
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"
    return head + ("+" if dirty else "")


def command() -> str:
    """Return how this process was started, as it would be typed again; see `command_line`."""
    return command_line(sys.argv, started_as=sys.orig_argv, variables=os.environ)


def command_line(words: Sequence[str], *, started_as: Sequence[str], variables: Mapping[str, str]) -> str:
    """Write a command for a shell, with the variables of threads that were set before it.

    A process that is not the program `highstreet` itself is written as it was started, interpreter and all:
    its words alone would name a command that may not exist.

    Args:
        words: `sys.argv`.
        started_as: `sys.orig_argv`.
        variables: the environment.

    >>> command_line(
    ...     ["/opt/bin/highstreet", "lab", "bias", "--out", "my results"],
    ...     started_as=["/opt/bin/python", "/opt/bin/highstreet", "lab", "bias", "--out", "my results"],
    ...     variables={"OMP_WAIT_POLICY": "passive", "HOME": "/root"},
    ... )
    "OMP_WAIT_POLICY=passive highstreet lab bias --out 'my results'"
    >>> command_line(
    ...     ["-c", "replay"], started_as=["/opt/bin/python", "-c", "lab_app()", "replay"], variables={}
    ... )
    "python -c 'lab_app()' replay"
    """
    is_program = Path(words[0]).stem == "highstreet"
    run = ["highstreet", *words[1:]] if is_program else [Path(started_as[0]).name, *started_as[1:]]
    set_before = [f"{name}={shlex.quote(variables[name])}" for name in _VARIABLES if name in variables]
    return " ".join([*set_before, shlex.join(run)])


def _git(root: Path, *words: str) -> str:
    result = subprocess.run(  # noqa: S603  fixed words, no shell
        ["git", "-C", str(root), *words],  # noqa: S607  whichever git the researcher has
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return result.stdout.strip()
