"""The report of the lab on bias: Markdown to read, JSON to compute with, a page with pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from highstreet.simulations.bias_findings import FEWEST_PERSONS, Finding
from highstreet.simulations.bias_tables import bias_tables
from highstreet.simulations.conditions import DELTA
from highstreet.simulations.errors import UnreadableResultsError
from highstreet.simulations.report.bias_page import bias_page
from highstreet.simulations.report_files import write_whole

__all__ = ["BiasFacts", "rewrite_bias_report", "write_bias_report"]

_TITLE = "Bias: who is served how well, and which products are shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasFacts:
    """What a reader must know to check a figure.

    Attributes:
        note: where the data come from.
        split: weeks fitted on and predicted.
        shops, judged, persons, products: sizes; `judged` in (shop, customer) pairs.
        conditions: name in tables -> in full, with the number of seeds.
        command: that was run.
        commits: of the code that computed the results.
        machine: it ran on last.
        finished_at: UTC.
    """

    note: str
    split: str
    shops: int
    judged: int
    persons: int
    products: int
    conditions: Mapping[str, str]
    command: str
    commits: tuple[str, ...]
    machine: str
    finished_at: str

    def lines(self) -> list[str]:
        """Return the facts as sentences, one a line."""
        return [
            f"Data: {self.note}.",
            f"Split: {self.split}. {self.shops} shops, {self.judged:,} (shop, customer) pairs judged, of "
            f"{self.persons:,} households, {self.products:,} products, all of them ranked.",
            f"Epsilon is at delta {DELTA:g}, for a customer at a store, noise once in the secure sum, for "
            "the benchmark's whole programme, in which nothing is spent on measuring bias.",
            "Judged is what shops serve: the shared model and what each shop learned on its own customers "
            "since. The gate of a co-op judges the shared model by itself, through noise (docs/bias.md).",
            "Intervals are of 95 % each, over persons drawn again (clustered by household) and the training "
            "run again (the spread over seeds; degrees of freedom after Welch and Satterthwaite). Groups of "
            f"fewer than {FEWEST_PERSONS} households are withheld. Age, household size and income are what "
            "about a third of the households said.",
            *(f"{name}: {title}." for name, title in self.conditions.items()),
            f"Command: `{self.command}`",
            f"Computed at commit {', '.join(self.commits)}. Machine: {self.machine}. "
            f"Finished: {self.finished_at}.",
        ]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """What bias.json holds."""

    facts: BiasFacts
    findings: tuple[Finding, ...]


def write_bias_report(folder: Path, facts: BiasFacts, findings: Sequence[Finding]) -> list[Path]:
    """Write bias.md, bias.json and bias.html into the folder; return the paths."""
    tables = bias_tables(findings)
    head = [f"# {_TITLE}", "", *(f"- {line}" for line in facts.lines()), ""]
    contents = {
        "bias.md": "\n".join([*head, *(table.markdown() for table in tables)]),
        "bias.json": json.dumps(asdict(_Saved(facts=facts, findings=tuple(findings))), indent=1) + "\n",
        "bias.html": bias_page(title=_TITLE, facts=facts.lines(), findings=findings, tables=tables),
    }
    return write_whole(folder, contents)


def rewrite_bias_report(folder: Path) -> list[Path]:
    """Write bias.md and bias.html again from bias.json, without running anything; return the paths.

    Raises:
        UnreadableResultsError: there is no bias.json, or it is not one of ours.
    """
    try:
        saved = TypeAdapter(_Saved).validate_json((folder / "bias.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise UnreadableResultsError(
            f"{folder / 'bias.json'} holds no findings on bias.",
            next_step="Run: highstreet lab bias --out FOLDER",
        ) from error
    return write_bias_report(folder, saved.facts, saved.findings)
