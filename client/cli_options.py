"""What the store's commands share: the shop's folder, given before or after the command's name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.errors import StoreHomeError
from highstreet.client.home import StoreHome

__all__ = ["HomeOption", "JsonOption", "store_home", "with_customers"]

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The shop's folder [default: ~/.highstreet/store].")
]

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def store_home(ctx: typer.Context, given: Path | None) -> StoreHome:
    """Return the shop's folder: as given to the command, else to `store`, else the default."""
    return StoreHome.locate(given if given is not None else ctx.obj)


def with_customers(home: StoreHome) -> StoreHome:
    """Return the folder, refusing one into which nothing was imported yet.

    Raises:
        StoreHomeError: there is no vault; none is made.
    """
    if not home.vault.exists():
        raise StoreHomeError(
            f"There is no shop's data in {home.root} yet.",
            next_step="Import its files: highstreet store import FOLDER, or give its folder with --home.",
        )
    return home
