"""Charts of what the audit module did: two attested cohorts side by side, and two candidates at the gate."""

from __future__ import annotations

import math

from markupsafe import Markup

from highstreet.audit.report_pages.interval_chart import Lane, interval_chart
from highstreet.audit.report_pages.svg import Drawing
from highstreet.simulations.report.audit_record import AttestedCohort, GateTrial, Withdrawal

__all__ = ["attested_cohorts", "gate_charts"]

_WIDTH, _COLUMNS, _HEAD, _GAP = 760.0, 60, 26.0, 14.0
#: Whatever neither passes nor fails is a diamond.
_MARKS = {"pass": "circle", "fail": "square"}


def attested_cohorts(withdrawal: Withdrawal) -> Markup:
    """Draw every customer of either round as a cell, filled where the round used them."""
    rounds = (withdrawal.before, withdrawal.after)
    size = _WIDTH / _COLUMNS
    block = math.ceil(max(len(each.used) for each in rounds) / _COLUMNS) * size
    drawing = Drawing(
        key="cohorts",
        title=f"Whom two rounds used at {withdrawal.store}, as attested",
        description=" ".join(f"{_heading(each)}." for each in rounds),
        width=_WIDTH,
        height=2 * (_HEAD + block) + _GAP,
    )
    for place, each in enumerate(rounds):
        top = place * (_HEAD + block + _GAP)
        drawing.text(0, top + 15, _heading(each), cls="heading")
        for index, is_used in enumerate(each.used):
            row, column = divmod(index, _COLUMNS)
            x, y = column * size, top + _HEAD + row * size
            drawing.rect(x + 1, y + 1, size - 3, size - 3, cls="coop" if is_used else "gone")
    return drawing.markup()


def gate_charts(trial: GateTrial) -> list[Markup]:
    """Draw each rule with the groups of all candidates over one axis, and the limit."""
    charts = []
    for place, rule in enumerate(trial.candidates[0].rules if trial.candidates else ()):
        lanes = [
            Lane(
                label=f"{candidate.short}: {group.group}",
                value=group.value,
                low=group.low,
                high=group.high,
                mark=_MARKS.get(group.outcome, "diamond"),
            )
            for candidate in trial.candidates
            for judged in candidate.rules
            if judged.name == rule.name
            for group in judged.groups
        ]
        if lanes:
            charts.append(
                interval_chart(
                    f"gate-{place}",
                    f"The rule {rule.name.replace('_', ' ')}: each group of each candidate",
                    lanes,
                    limit=rule.limit,
                    axis=rule.words,
                )
            )
    return charts


def _heading(cohort: AttestedCohort) -> str:
    return f"Round {cohort.round + 1} ({cohort.phase}): {cohort.customers} customers used"
