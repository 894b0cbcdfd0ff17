"""`highstreet store import`: shows what was understood of the shop's files, then saves them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home
from highstreet.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from highstreet.client.importing.importer import ImportResult
    from highstreet.client.importing.saving import SavedCounts
    from highstreet.client.importing.understanding import Understanding

__all__ = ["import_files"]

_NAMES_SHOWN = 5


def import_files(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="CSV files, or folders with CSV files in them.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be saved; save nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Save without asking.")] = False,
    home: HomeOption = None,
) -> None:
    """Read the shop's exports (products, customers with consent answers, orders) into this computer."""
    from highstreet.client.importing.importer import Importer, find_files, left_alone
    from highstreet.client.matching_withdrawals import forget_withdrawn_at
    from highstreet.client.shop_loader import judged_by_title
    from highstreet.client.vault import Vault

    find_files(paths)  # a path mistyped is told before anything is made
    asks = sys.stdin.isatty() and not yes and not dry_run
    place = store_home(ctx, home)
    with Vault.open(place.vault) as vault, _progress_bar() as bar:

        def looks_right(understanding: Understanding) -> bool:
            bar.stop()
            _say(understanding)
            answer = not asks or typer.confirm("Looks right?", default=True)
            bar.start()
            return answer

        importer = Importer(vault, now=datetime.now(UTC), confirm=looks_right, progress=_Reporter(bar))
        for name in importer.interrupted_files():
            typer.echo(f"The last import of {name} was cut off; nothing of it was saved. Import it again.")
        for result in importer.run(paths, dry_run=dry_run):
            bar.stop()
            _tell(result)
            bar.start()
        forget_withdrawn_at(place, vault)
        by_title = judged_by_title(vault)
    if by_title:
        typer.echo(
            f"{by_title:,} listed products have neither a category nor a product type, so only their titles "
            "tell whether they are of a sensitive kind (health, baby, adult, religion). Next: add either to "
            "the file of products and import it again, or name products under [products] in "
            "special_products.toml."
        )
    passed_over = left_alone(paths)
    if passed_over:
        more = f" and {len(passed_over) - _NAMES_SHOWN:,} more" if len(passed_over) > _NAMES_SHOWN else ""
        names = printable(", ".join(passed_over[:_NAMES_SHOWN]))
        typer.echo(f"Not read, as only CSV files are: {names}{more}.")


def _say(understanding: Understanding) -> None:
    for sentence in understanding.in_words():
        typer.echo(sentence)


def _tell(result: ImportResult) -> None:
    from highstreet.client.importing.importer import FileOutcome

    if result.outcome is FileOutcome.ALREADY_SAVED:
        typer.echo(f"{result.file_name}: imported before; nothing to do.")
    elif result.outcome is FileOutcome.ONLY_SHOWN and result.understanding is not None:
        _say(result.understanding)
        typer.echo("  Nothing was saved: this was a trial (--dry-run).")
    elif result.outcome is FileOutcome.DECLINED:
        typer.echo("  Nothing of it was saved.")
    elif result.saved is not None:
        typer.echo(f"  {_saved_in_words(result.saved)}")


def _saved_in_words(saved: SavedCounts) -> str:
    new = [
        f"{count:,} new {name}"
        for name, count in (
            ("products", saved.products),
            ("customers", saved.customers),
            ("or changed identifiers", saved.identifiers),
            ("or changed attributes", saved.attributes),
            ("minors", saved.minors),
            ("consent answers", saved.answers),
            ("orders", saved.orders),
            ("order lines", saved.lines),
        )
        if count
    ]
    return f"Saved: {', '.join(new)}." if new else "Saved: nothing in it was new."


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield bar


class _Reporter:
    """Shows the file being read as one bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, visible=False)

    def __call__(self, name: str, done: int, total: int) -> None:
        self._bar.update(
            self._task, description=f"Reading {name}", completed=done, total=total, visible=done < total
        )
