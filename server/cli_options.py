"""What the coordinator's commands share: the co-op's folder, given before or after the command's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from highstreet.server.home import CoopHome

__all__ = ["FloorOption", "HomeOption", "PersonOption", "open_home", "place_of_home"]

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The co-op's folder [default: ~/.highstreet/coop].")
]

FloorOption = Annotated[
    int | None,
    typer.Option(
        "--floor",
        help="Fewest stores in a sum, 3 or more [default: 3]. The closer it is to the number of stores that "
        "usually take part, the less noise; but when fewer take part, nothing is learnt.",
    ),
]

PersonOption = Annotated[
    int | None,
    typer.Option(
        "--person",
        metavar="SHOPS",
        min=1,
        max=100,
        help="Promise epsilon to a person who shops in up to so many of the shops, not a customer of each: "
        "every contribution is divided by that number. It costs quality; see docs/coordinator.md.",
    ),
]


def place_of_home(ctx: typer.Context, given: Path | None) -> Path:
    """Return where the co-op's folder is or will be: as given to the command, to `coop`, or the default."""
    from highstreet.server.home import default_coop_home

    chosen = given if given is not None else ctx.obj
    return chosen if isinstance(chosen, Path) else default_coop_home()


def open_home(ctx: typer.Context, given: Path | None) -> CoopHome:
    """Open the co-op's folder.

    Raises:
        NoCoopError: there is no co-op in it.
    """
    from highstreet.server.home import CoopHome

    return CoopHome.open(place_of_home(ctx, given))
