"""The end of the demo in a terminal: what was found, in a screenful."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from highstreet.simulations.report.published import NOISE_IN_THE_SUM
from highstreet.simulations.report.record import Evaluation, Method, RunRecord
from highstreet.simulations.report.verdict import direction, verdict

__all__ = ["show"]


def show(record: RunRecord, console: Console, *, report: Path) -> None:
    """Print the summary and where the report is."""
    console.print()
    console.print(_quality(record))
    console.print(f"[dim]{escape(record.data_note)} {escape(record.consent_note)}[/dim]", highlight=False)
    console.print()
    for sentence in verdict(record):
        console.print(f"  • {escape(sentence)}", highlight=False)
    console.print()
    for claim in record.claims:
        console.print(
            f"  privacy spent for {escape(claim.unit)}: epsilon {claim.shown_epsilon}, delta {claim.delta:g} "
            f"({escape(claim.neighbouring)})",
            highlight=False,
        )
    if record.sums:
        held = record.sums[0]
        console.print(
            f"  noise in the sum of {held.contributors} shops: {held.noise_factor:.2f} times what is "
            f"promised; with noise per shop it would be {held.noise_factor_per_shop:.2f} times",
            highlight=False,
        )
        console.print(f"  [dim]{escape(NOISE_IN_THE_SUM)}[/dim]", highlight=False)
    sent = sum(reply.reply_bytes for store in record.stores for reply in store.rounds)
    messages = sum(len(store.rounds) for store in record.stores)
    console.print(f"  left the shops: {messages} messages, {sent / 1024:,.0f} KiB in all", highlight=False)
    for check in record.checks:
        sign = "[green]held[/green]" if check.passed else "[red bold]DID NOT HOLD[/red bold]"
        console.print(f"  {sign}: {escape(check.title)}", highlight=False)
    machine = record.machine
    memory = (machine.peak_pss_bytes or machine.peak_rss_bytes) / 2**30  # shared pages once where it is known
    console.print(
        f"  {record.duration_seconds:.0f} s in all; at most {memory:.1f} GiB in "
        f"{machine.peak_processes} processes",
        highlight=False,
    )
    console.print(f"\n[bold]The report:[/bold] {escape(str(report))}", highlight=False, soft_wrap=True)


def _quality(record: RunRecord) -> Table:
    table = Table(
        title="NDCG@10 for products new to the customer", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("shop")
    table.add_column("customers", justify="right")
    roles = {method.name: method.label for store in record.stores for method in _methods(store.evaluation)}
    for label in roles.values():
        table.add_column(label, justify="right")
    table.add_column("co-op against alone", justify="right")
    for store in record.stores:
        table.add_row(*_row(store.name, str(store.customers), store.evaluation, list(roles)))
    if record.pooled is not None:
        total = sum(store.customers for store in record.stores)
        table.add_row(*_row("all together", str(total), record.pooled, list(roles)), style="bold")
    return table


def _row(name: str, customers: str, evaluation: Evaluation | None, methods: list[str]) -> list[str]:
    found = {method.name: method.novel for method in _methods(evaluation)}
    cells = [f"{estimate.value:.3f}" if (estimate := found.get(method)) else "–" for method in methods]
    return [escape(name), customers, *cells, _gain(evaluation)]


def _gain(evaluation: Evaluation | None) -> str:
    gains = evaluation.gains if evaluation else ()
    estimate = next((gain.novel for gain in gains if gain.against == "alone"), None)
    if estimate is None:
        return "–"
    colour = {"better": "green", "worse": "red", "unclear": "dim"}[direction(estimate)]
    spread = (
        ""
        if estimate.low is None or estimate.high is None
        else f" ± {(estimate.high - estimate.low) / 2:.3f}"
    )
    return f"[{colour}]{estimate.value:+.3f}{spread}[/{colour}]"


def _methods(evaluation: Evaluation | None) -> tuple[Method, ...]:
    return evaluation.methods if evaluation else ()
