"""What the coordinator's commands share: the co-op's folder, given before or after the command's name."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from highstreet.audit.charter import MatchingTerms
    from highstreet.server.home import CoopHome

__all__ = [
    "FloorOption",
    "HomeOption",
    "IdentifiersOption",
    "MatchOption",
    "MeasureOption",
    "PersonOption",
    "StoresOption",
    "matching_terms",
    "open_home",
    "place_of_home",
]


class MatchedBy(StrEnum):
    """By what customers are recognised in a matching."""

    EMAIL = "email"
    LOYALTY_NUMBER = "loyalty-number"


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

MatchOption = Annotated[
    MatchedBy | None,
    typer.Option(
        "--match",
        help="With --person: let the shops count by private matching at how many of them a customer shops, "
        "and divide by that number instead. By what customers are recognised; it needs their yes and at "
        "least four shops; see docs/coordinator.md.",
    ),
]

MeasureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="PART",
        help="Measure bias at the end of each training, with the usual rules on it; repeat. history, tenure, "
        "exposure, or age_band, household_size, income_band, language, place as far as shops know them. A "
        "tenth of the budget; only for co-ops of thousands of customers: see docs/bias.md.",
    ),
]

StoresOption = Annotated[
    int | None,
    typer.Option(
        "--stores",
        metavar="NUMBER",
        min=1,
        max=10_000,
        help="How many shops you expect to take part, to be told from how many customers on bias can be "
        "judged. It changes nothing [default: four times the floor].",
    ),
]

IdentifiersOption = Annotated[
    int | None,
    typer.Option(
        "--identifiers",
        metavar="NUMBER",
        min=1,
        max=(1 << 16) - 2,
        help="With --match: the most customers of a shop who take part; the others add nothing "
        "[default: 1000].",
    ),
]


def matching_terms(match: MatchedBy | None, identifiers: int | None) -> MatchingTerms | None:
    """Return how customers are matched, by the options that say so; None: they are not.

    Raises:
        SettingsError: a number of identifiers without a matching.
    """
    from highstreet.audit.charter import MatchingTerms
    from highstreet.server.errors import SettingsError

    if match is None:
        if identifiers is not None:
            raise SettingsError(
                "Identifiers are counted for a matching only.", next_step="Say by what: --match email."
            )
        return None
    terms = MatchingTerms(identifier_kind=match.value)
    return terms if identifiers is None else replace(terms, identifiers_per_store=identifiers)


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
