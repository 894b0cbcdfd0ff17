"""`highstreet store suggest` and `evaluate`: what a customer might want, and how good that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_options import HomeOption, JsonOption, store_home, with_customers
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.client.shop_evaluation import ShopEvaluation
    from highstreet.client.shop_groups import GroupRow
    from highstreet.client.suggestions import SuggestionList
    from highstreet.models.comparison import Estimate

__all__ = ["evaluate", "suggest"]


def suggest(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many products.")] = 10,
    new_only: Annotated[bool, typer.Option("--new-only", help="Only what they never bought here.")] = False,
    channel: Annotated[
        str, typer.Option(help="Where they are shown: everywhere, till, web, email, sms, phone or post.")
    ] = "everywhere",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Suggest products to one customer, each with its reason and how sure it is.

    They are personal only if what the customer said last of that channel, or of everywhere, is a yes; for
    `everywhere`, if no channel says otherwise. A yes from the shop's web page counts for `--channel web`
    alone.
    """
    from highstreet.audit.consent import Channel
    from highstreet.client.suggestions import suggest as suggestions_for

    where, place = Channel.parse(channel), with_customers(store_home(ctx, home))
    found = suggestions_for(place, customer, k=k, novel_only=new_only, channel=where)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show_suggestions(found)


def evaluate(
    ctx: typer.Context,
    holdout: Annotated[Path, typer.Option("--holdout", help="Order lines of later weeks, never imported.")],
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file; - for the terminal.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Measure suggestions on weeks held back: rules of thumb, the shop alone, with the co-op."""
    from highstreet.client.shop_evaluation import evaluate_shop

    to_terminal = json_path is not None and str(json_path) == "-"
    result = evaluate_shop(
        with_customers(store_home(ctx, home)),
        holdout,
        progress=lambda step: typer.echo(f"{step} ...", err=True),
    )
    text = json.dumps(result.to_dict(), indent=2, allow_nan=False)
    if to_terminal:
        typer.echo(text)
        return
    _show_evaluation(result)
    if json_path is not None:
        from highstreet.files import write_private

        write_private(json_path.absolute(), (text + "\n").encode())


def _show_groups(rows: Sequence[GroupRow]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, title="Who is served how well (all NDCG; groups of 20 or more)")
    for heading in ("", "customers", "served", "more than this shop alone"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for row in rows:
        name = f"{row.attribute.replace('_', ' ')}: {row.cell.replace('_', ' ')}"
        over = row.over_alone
        gain = "" if over is None else f"{over.mean:+.3f} ± {over.half_width:.3f}"
        table.add_row(name, f"{row.customers:,}", _interval(row.served), gain)
    Console().print(table)


def _show_suggestions(found: SuggestionList) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    for note in found.notes:
        typer.echo(note)
    if not found.items:
        typer.echo("There is nothing to suggest: no product of the list was ordered yet.")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("", "Product", "Why", "How sure"):
        table.add_column(heading)
    for place, item in enumerate(found.items, start=1):
        table.add_row(
            str(place), escape(printable(item.title)), escape(printable(item.reason)), item.certainty.value
        )
    Console().print(table)


def _show_evaluation(result: ShopEvaluation) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    typer.echo(
        f"Learnt until {result.fit_until}, predicted {result.first_day} to {result.last_day}: "
        f"{result.judged(novel=False):,} customers who bought again, {result.judged(novel=True):,} of them "
        "something new to them. Every product ranked; 95 % intervals."
    )
    table = Table(box=box.SIMPLE, title="NDCG@10 and Recall@20 (0 to 1, higher is better)")
    for heading in ("", "all NDCG", "all recall", "new NDCG", "new recall"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for method in result.methods:
        cells = (
            result.estimate(method, name)
            for name in ("all_items", "recall20_all_items", "novel", "recall20_novel")
        )
        table.add_row(method.label, *map(_interval, cells))
    Console().print(table)
    if rows := result.groups("all_items"):
        _show_groups(rows)
    if result.coop is None:
        typer.echo(
            "No release of a co-op is in use here, so there is nothing to compare with the shop alone."
        )
        return
    for other in result.methods:
        gain = result.gain(other, "novel")
        if other is not result.coop and gain is not None:
            typer.echo(f"With the co-op against {other.label}, new products: {_difference(gain)}.")


def _interval(estimate: Estimate) -> str:
    if not estimate.units:
        return "-"
    if estimate.clusters < 2:
        return f"{estimate.mean:.3f}"
    return f"{estimate.mean:.3f}±" + f"{estimate.half_width:.3f}".removeprefix("0")


def _difference(gain: Estimate) -> str:
    if gain.clusters < 2:
        return "too few customers to say"
    verdict = (
        "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference that can be told apart"
    )
    return f"{gain.mean:+.4f} ± {gain.half_width:.4f} NDCG@10, {verdict}"
