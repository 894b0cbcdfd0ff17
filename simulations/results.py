"""A results folder: every finished job as two files, so that stopping a replay loses nothing.

`runs/NAME.parquet` holds the metrics of each unit, `runs/NAME.json` what they are; the second is written
last and marks the job as finished. `runs/units.parquet` says who the units are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from highstreet.simulations.errors import UnreadableResultsError
from highstreet.simulations.judging import METRICS, Units
from highstreet.simulations.replay import Job, Outcome
from highstreet.simulations.report_files import ready_folder

__all__ = ["Finished", "ResultsFolder"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """A job that was run.

    Attributes:
        condition: its name.
        seed: its seed.
        values: (units, metrics).
        seconds: it took.
        commit: of the code that ran it.
        claims: privacy, in words.
        details: public numbers of the plan.
    """

    condition: str
    seed: int
    values: NDArray[np.float64]
    seconds: float
    commit: str
    claims: tuple[str, ...]
    details: dict[str, object]


class ResultsFolder:
    """Reads and writes one replay's results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs = folder / "runs"
        ready_folder(self._runs)

    def is_finished(self, job: Job) -> bool:
        """Whether this very job, same code and data, was run before."""
        note = self._note(job)
        return note is not None and note.get("fingerprint") == job.fingerprint

    def save(self, job: Job, outcome: Outcome, *, commit: str) -> None:
        """Write one outcome; all of it or nothing."""
        frame = pl.DataFrame({name: outcome.values[:, place] for place, name in enumerate(METRICS)})
        note = {
            "condition": job.condition.name,
            "seed": job.seed,
            "fingerprint": job.fingerprint,
            "commit": commit,
            "finished_at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "seconds": round(outcome.seconds, 1),
            "claims": list(outcome.claims),
            "details": outcome.details,
        }
        try:
            self._replace(f"{job.name}.parquet", frame)
            self._replace(f"{job.name}.json", json.dumps(note, indent=2))
        except OSError as error:
            raise UnreadableResultsError(
                f"A result could not be written to {self.folder}: {error.strerror}.",
                next_step="Free some space and run the same command again; it goes on where it stopped.",
            ) from error

    def save_units(self, units: Units) -> None:
        """Write who the units are."""
        columns = {name: getattr(units, name) for name in ("store", "person", "store_customers", "purchases")}
        try:
            self._replace("units.parquet", pl.DataFrame(columns))
        except OSError as error:
            raise UnreadableResultsError(
                f"{self.folder} cannot be used for results: {error.strerror}.",
                next_step="Choose another --out.",
            ) from error

    def load(self, jobs: Sequence[Job]) -> list[Finished]:
        """Return the jobs that are finished, in the order given."""
        return [self._load(job) for job in jobs if self.is_finished(job)]

    def _load(self, job: Job) -> Finished:
        note = self._note(job) or {}
        try:
            frame = pl.read_parquet(self._runs / f"{job.name}.parquet", glob=False)
            return Finished(
                condition=job.condition.name,
                seed=job.seed,
                values=frame.select(METRICS).to_numpy(),
                seconds=float(str(note["seconds"])),
                commit=str(note["commit"]),
                claims=tuple(cast("list[str]", note["claims"])),
                details=cast("dict[str, object]", note["details"]),
            )
        except (pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError) as error:
            raise UnreadableResultsError(
                f"The result {job.name} in {self.folder} is damaged.",
                next_step=f"Remove {self._runs / job.name}.json and run again.",
            ) from error

    def _note(self, job: Job) -> dict[str, object] | None:
        path = self._runs / f"{job.name}.json"
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UnreadableResultsError(
                f"{path} is not a result of the lab.", next_step="Remove it and run again."
            ) from error
        return note if isinstance(note, dict) else None

    def _replace(self, name: str, content: pl.DataFrame | str) -> None:
        partial = self._runs / f".{name}.partial"
        if isinstance(content, str):
            partial.write_text(content, encoding="utf-8")
        else:
            content.write_parquet(partial)
        os.replace(partial, self._runs / name)
