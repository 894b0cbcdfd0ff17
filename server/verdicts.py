"""Verdicts on candidates, of those kept back too, as coop.db keeps them and the log shows them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from highstreet.audit.bias_gate import Outcome, Verdict
from highstreet.audit.bias_report import BiasReport
from highstreet.audit.canonical import canonical_json

__all__ = ["record_verdict"]


def record_verdict(connection: sqlite3.Connection, programme_id: str, report: BiasReport) -> None:
    """Keep what the rules on bias say of a candidate; the same again changes nothing.

    What is kept is the section on bias as a manifest has it, without an override. So of a model that was
    released everybody can compute the hash which the log holds.
    """
    document = canonical_json(replace(report, override=None).to_dict())
    connection.execute(
        "INSERT OR IGNORE INTO verdicts (programme_id, verdict, document) VALUES (?, ?, ?)",
        (programme_id, _in_one_word(report.verdict), document),
    )


def _in_one_word(verdict: Verdict) -> str:
    outcomes = {finding.outcome for finding in verdict.findings if finding.outcome.blocks}
    if not outcomes:
        return Outcome.PASS.value
    return (Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.UNDETERMINED).value
