"""`highstreet coop charter`: write a default charter, check an edited one, put it in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highstreet.command_groups import command_group
from highstreet.server.cli_options import (
    FloorOption,
    HomeOption,
    IdentifiersOption,
    MatchOption,
    MeasureOption,
    PersonOption,
    StoresOption,
    matching_terms,
    open_home,
)

__all__ = ["charter_app"]

charter_app = command_group("charter", "The charter: what members agree to.")
_FileArgument = Annotated[Path | None, typer.Argument(help="A charter in TOML [default: the co-op's own].")]


@charter_app.command("default")
def default(
    name: Annotated[str, typer.Option(help="What people call the co-op.")] = "My co-op",
    epsilon: Annotated[
        float, typer.Option(help="Most privacy loss of whoever is protected, per period.")
    ] = 3.0,
    delta: Annotated[float, typer.Option(help="Goes with epsilon.")] = 1e-5,
    floor: FloorOption = None,
    person: PersonOption = None,
    match: MatchOption = None,
    identifiers: IdentifiersOption = None,
    measure: MeasureOption = None,
) -> None:
    """Print a charter to start from; save it, edit it, found a co-op on it."""
    from datetime import UTC, datetime

    from highstreet.audit.charter_format import to_toml
    from highstreet.server.founding import default_charter

    today = datetime.now(UTC).date()
    charter = default_charter(
        name,
        epsilon=epsilon,
        delta=delta,
        today=today,
        floor=floor,
        shops_per_person=person,
        matching=matching_terms(match, identifiers),
        measured=measure or (),
    )
    typer.echo(to_toml(charter), nl=False)


@charter_app.command("check")
def check(
    ctx: typer.Context,
    file: _FileArgument = None,
    stores: StoresOption = None,
    home: HomeOption = None,
) -> None:
    """Check an edited charter: its form, and what its phases cost in privacy."""
    from highstreet.audit.bias_planning import rules_in_words
    from highstreet.audit.claims import claims_of, period_in_words, weights_in_words
    from highstreet.server.founding import read_charter_file

    charter = read_charter_file(file or open_home(ctx, home).charter_toml)
    claims = claims_of(charter)
    typer.echo(
        f"The charter of {charter.coop.name} is valid. It promises epsilon {charter.privacy.epsilon:g} to "
        f"{claims.about(charter.privacy.privacy_unit).for_whom}."
    )
    typer.echo(f"  SHA-256 {charter.sha256().hex()}; a member sees the same: highstreet store promise")
    for line in claims.lines():
        typer.echo(f"  one training costs {line}")
    typer.echo(f"  {period_in_words(charter)}")
    for line in weights_in_words(charter):
        typer.echo(f"  {line}")
    for line in rules_in_words(charter, stores=stores):
        typer.echo(f"  {line}")


@charter_app.command("sign")
def sign(ctx: typer.Context, file: _FileArgument = None, home: HomeOption = None) -> None:
    """Put an edited charter in force, while the co-op has no members."""
    from highstreet.server.founding import read_charter_file, resign_charter

    opened = open_home(ctx, home)
    charter = read_charter_file(file or opened.charter_toml)
    resign_charter(opened, charter)
    typer.echo(f"The charter is signed and in force: {opened.charter_json}.")
