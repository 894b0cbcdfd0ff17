"""Folders of the lab's results: made and tried before anything is run, written to file by whole file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from highstreet.simulations.errors import UnreadableResultsError

__all__ = ["ready_folder", "write_whole"]


def ready_folder(folder: Path) -> None:
    """Make a folder and try to write to it, so that hours are not spent on what cannot be kept.

    Raises:
        UnreadableResultsError: it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UnreadableResultsError(
            f"{folder} cannot be used for results: {error.strerror}.", next_step="Choose another --out."
        ) from error


def write_whole(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    """Write a report's files into a folder, each of them whole or not at all; return the paths.

    Raises:
        UnreadableResultsError: one cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            partial = folder / f".{name}.partial"
            partial.write_text(content, encoding="utf-8")
            os.replace(partial, folder / name)
    except OSError as error:
        raise UnreadableResultsError(
            f"The report could not be written to {folder}: {error.strerror}.",
            next_step="Mend that, or choose another --out, and run the same command again.",
        ) from error
    return [folder / name for name in contents]
