"""What a charter has checked of bias, and what a release's manifest says of it, in sentences for people."""

from __future__ import annotations

from highstreet.audit.bias_gate import Outcome
from highstreet.audit.bias_report import BiasReport
from highstreet.audit.charter import Charter
from highstreet.models.programme import measured_parts

__all__ = ["bias_in_words", "checked_in_words"]


def checked_in_words(charter: Charter) -> str:
    """Say whether releases under a charter are checked for bias, and by which rules."""
    rules = ", ".join(rule.name for rule in charter.bias_limits.rules)
    if rules:
        return f"each release is checked for bias before it is out, by the rules {rules}"
    if measured := measured_parts(charter.plan):
        parts = ", ".join(measured)
        return f"no release is checked for bias: the charter measures {parts} and has no rules"
    return "no release is checked for bias: the charter measures none"


def bias_in_words(report: BiasReport | None) -> tuple[str, ...]:
    """Say which rules were kept, and who overrode which others and why; or that nothing was checked."""
    if report is None:
        return ("no bias measured: the charter measures none, so nothing was checked",)
    if not report.verdict.findings:
        return ("bias was measured and not judged: the charter has no rules on it",)
    kept = [each.rule for each in report.verdict.findings if each.outcome is Outcome.PASS]
    said = [f"of {len(report.verdict.findings)} rules on bias {len(kept)} are kept"]
    if report.override is not None:
        rules = ", ".join(f"{rule} ({outcome})" for rule, outcome in report.override.rules.items())
        people = " and ".join(each.name for each in report.override.signatures)
        said.append(f"OVERRIDDEN on {report.override.created[:10]} by {people}: {rules}")
        said.append(f"their reason: {report.override.reason}")
    return tuple(said)
