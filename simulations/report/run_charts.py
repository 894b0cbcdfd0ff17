"""Charts of the run itself: what left, who agreed, what it cost, how long it took."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks
from highstreet.simulations.report.record import Claim, Contribution, Step, StoreRecord

__all__ = ["budget_bars", "bytes_by_store", "consent_bars", "contribution_picture", "timeline"]

_WIDTH = 760.0
_COLUMNS = 48


def consent_bars(stores: Sequence[StoreRecord], purpose: str) -> Markup:
    """Draw, for each store, how many customers said yes, no, or nothing, for one purpose."""
    rows = [(store, answer) for store in stores for answer in store.consents if answer.purpose == purpose]
    words = " ".join(
        f"{store.name}: {answer.yes} yes, {answer.no} no, {answer.unanswered} not asked."
        for store, answer in rows
    )
    drawing = Drawing(
        key="consent",
        title="Consent answers by store",
        description=words,
        width=_WIDTH,
        height=28 * len(rows) + 30,
    )
    most = max([answer.yes + answer.no + answer.unanswered for _, answer in rows] or [1])
    scale = Scale(low=0, high=most, start=170, end=_WIDTH - 150)
    for index, (store, answer) in enumerate(rows):
        y, x = 6.0 + 28 * index, 170.0
        drawing.text(160, y + 14, store.name, anchor="end")
        for count, cls in ((answer.yes, "yes"), (answer.no, "no"), (answer.unanswered, "unasked")):
            width = scale(count) - scale(0)
            drawing.rect(x, y, width, 18, cls=cls)
            x += width
        drawing.text(x + 8, y + 14, f"{answer.yes} yes, {answer.no} no", cls="figure")
    drawing.text(
        170, 28 * len(rows) + 22, "customers; only those who said yes take part in a round", cls="muted"
    )
    return drawing.markup()


def budget_bars(claims: Sequence[Claim]) -> Markup:
    """Draw each claim's epsilon on a logarithmic axis, its limit as a mark."""
    words = " ".join(
        f"For {claim.unit}: epsilon {claim.shown_epsilon} at delta {claim.delta:g}, {claim.neighbouring}."
        for claim in claims
    )
    drawing = Drawing(
        key="budget",
        title="Privacy budget spent",
        description=words,
        width=_WIDTH,
        height=52 * len(claims) + 56,
    )
    values = [v for claim in claims for v in (claim.epsilon, claim.limit) if v and math.isfinite(v)]
    low = math.floor(math.log10(min([*values, 0.1])))
    high = math.ceil(math.log10(max([*values, 10.0])))
    scale = Scale(low=low, high=high, start=12, end=_WIDTH - 190)
    bottom = 52.0 * len(claims) + 14
    for power in range(low, high + 1):
        drawing.line(scale(power), 4, scale(power), bottom, cls="grid")
        drawing.text(scale(power), bottom + 14, f"{10.0**power:g}", cls="muted", anchor="middle")
    for index, claim in enumerate(claims):
        y = 24.0 + 52 * index
        drawing.text(14, y - 6, f"for {claim.unit}")
        end = scale(math.log10(claim.epsilon)) if 0 < claim.epsilon < math.inf else scale(high)
        drawing.rect(12, y, end - 12, 14, cls="coop")
        if claim.limit:
            at = scale(math.log10(claim.limit))
            drawing.line(at, y - 4, at, y + 18, cls="limit")
        pair = f"(ε {claim.shown_epsilon}, δ {claim.delta:g})"
        drawing.text(_WIDTH - 4, y + 12, pair, cls="figure", anchor="end")
    drawing.text(
        12, bottom + 30, "ε, each tick ten times the one before; the upright mark is the limit", cls="muted"
    )
    return drawing.markup()


def bytes_by_store(stores: Sequence[StoreRecord]) -> Markup:
    """Draw how many bytes of round messages left each store in the whole run."""
    totals = [(store, sum(sent.reply_bytes for sent in store.rounds)) for store in stores]
    words = " ".join(
        f"{store.name}: {total:,} bytes in {len(store.rounds)} messages." for store, total in totals
    )
    drawing = Drawing(
        key="bytes",
        title="Bytes that left each store",
        description=words,
        width=_WIDTH,
        height=28 * len(totals) + 10,
    )
    scale = Scale(low=0, high=max([total for _, total in totals] or [1]), start=170, end=_WIDTH - 210)
    for index, (store, total) in enumerate(totals):
        y = 6.0 + 28 * index
        drawing.text(160, y + 14, store.name, anchor="end")
        drawing.rect(170, y, scale(total) - 170, 18, cls="coop")
        drawing.text(
            scale(total) + 8, y + 14, f"{total / 1024:,.0f} KiB, {len(store.rounds)} messages", cls="figure"
        )
    return drawing.markup()


def contribution_picture(contribution: Contribution) -> Markup:
    """Draw the first bytes of one sealed box as cells: the darker, the larger."""
    shown = contribution.shown
    rows = max(math.ceil(len(shown) / _COLUMNS), 1)
    size = _WIDTH / _COLUMNS
    description = (
        f"{len(shown)} of the {max(contribution.boxes, default=0):,} bytes of a sealed box that "
        f"{contribution.store} sent in round {contribution.round + 1} ({contribution.phase}), one cell each. "
        f"They look like random bytes: their mean is {sum(shown) / max(len(shown), 1):.1f}, where 127.5 is "
        "expected."
    )
    drawing = Drawing(
        key="contribution",
        title="One sealed box as it left the shop",
        description=description,
        width=_WIDTH,
        height=rows * size,
    )
    for index, value in enumerate(shown):
        row, column = divmod(index, _COLUMNS)
        drawing.rect(
            column * size, row * size, size - 0.8, size - 0.8, cls="above", opacity=0.06 + 0.94 * value / 255
        )
    return drawing.markup()


def timeline(steps: Sequence[Step]) -> Markup:
    """Draw when each step began and how long it took."""
    end = max([step.started_seconds + step.seconds for step in steps] or [1.0])
    words = " ".join(f"{step.name}: {step.seconds:.1f} s." for step in steps)
    height = 22 * len(steps) + 34
    drawing = Drawing(
        key="timeline", title="Time of every step", description=words, width=_WIDTH, height=height
    )
    scale = Scale(low=0, high=end, start=300, end=_WIDTH - 70)
    for tick in ticks(0, end, count=6):
        drawing.line(scale(tick), 0, scale(tick), height - 24, cls="grid")
        drawing.text(scale(tick), height - 8, f"{tick:g} s", cls="muted", anchor="middle")
    for index, step in enumerate(steps):
        y = 4.0 + 22 * index
        drawing.text(290, y + 12, step.name, anchor="end")
        start, stop = scale(step.started_seconds), scale(step.started_seconds + step.seconds)
        drawing.rect(start, y, max(stop - start, 1.5), 14, cls="coop")
        drawing.text(stop + 6, y + 12, f"{step.seconds:.1f} s", cls="figure")
    return drawing.markup()
