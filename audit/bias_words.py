"""What a release's manifest says about bias, in sentences for the people of a shop."""

from __future__ import annotations

from highstreet.audit.bias_gate import Outcome
from highstreet.audit.bias_report import BiasReport

__all__ = ["bias_in_words"]


def bias_in_words(report: BiasReport | None) -> tuple[str, ...]:
    """Say which rules were kept, and who overrode which others and why; nothing where there are no rules."""
    if report is None or not report.verdict.findings:
        return ()
    kept = [each.rule for each in report.verdict.findings if each.outcome is Outcome.PASS]
    said = [f"of {len(report.verdict.findings)} rules on bias {len(kept)} are kept"]
    if report.override is not None:
        rules = ", ".join(f"{rule} ({outcome})" for rule, outcome in report.override.rules.items())
        people = " and ".join(each.name for each in report.override.signatures)
        said.append(f"OVERRIDDEN on {report.override.created[:10]} by {people}: {rules}")
        said.append(f"their reason: {report.override.reason}")
    return tuple(said)
