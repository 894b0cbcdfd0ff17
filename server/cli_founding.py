"""`highstreet coop init`: make a co-op."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highstreet.server.cli_options import (
    FloorOption,
    HomeOption,
    IdentifiersOption,
    MatchOption,
    MeasureOption,
    PersonOption,
    StoresOption,
    matching_terms,
    place_of_home,
)

__all__ = ["init"]


def init(  # noqa: PLR0913  # each is an option of the command
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="What people call the co-op.")] = "My co-op",
    address: Annotated[
        str,
        typer.Option(help="HOST:PORT for stores to reach this machine; the four ports after it are used."),
    ] = "127.0.0.1:9440",
    listen: Annotated[
        str,
        typer.Option(help="Address to listen on [default: HOST if it is this machine, else every card]."),
    ] = "",
    epsilon: Annotated[
        float | None,
        typer.Option(help="Most privacy loss of whoever is protected, per period [default: 3]."),
    ] = None,
    delta: Annotated[float, typer.Option(help="Goes with epsilon.")] = 1e-5,
    trainings: Annotated[
        int | None,
        typer.Option(
            min=1, max=366, help="Trainings that share that loss in a period of 365 days [default: 1]."
        ),
    ] = None,
    floor: FloorOption = None,
    person: PersonOption = None,
    match: MatchOption = None,
    identifiers: IdentifiersOption = None,
    measure: MeasureOption = None,
    stores: StoresOption = None,
    charter: Annotated[Path | None, typer.Option(help="An edited charter to found the co-op on.")] = None,
    home: HomeOption = None,
) -> None:
    """Make a co-op: certificates, keys, and the charter its members will agree to."""
    from datetime import UTC, datetime

    from highstreet.audit.bias_planning import rules_in_words
    from highstreet.audit.claims import claims_of, period_in_words, weights_in_words
    from highstreet.server.errors import SettingsError
    from highstreet.server.founding import (
        Founding,
        default_charter,
        found_coop,
        read_charter_file,
        refuse_taken,
    )
    from highstreet.server.home import CoopHome

    host, port = split_address(address)
    now = datetime.now(UTC)
    place = place_of_home(ctx, home)
    refuse_taken(CoopHome(place))
    taken = (epsilon, floor, person, match, identifiers, trainings, measure)
    if charter is not None and any(option is not None for option in taken):
        raise SettingsError(
            "A charter file brings its own epsilon, floor, noise and whom it protects.",
            next_step="Give the file or the options.",
        )
    if charter is not None:
        agreed = read_charter_file(charter)
    else:
        typer.echo("Setting the noise for the privacy loss you allow ...")
        agreed = default_charter(
            name,
            epsilon=epsilon or 3.0,
            delta=delta,
            today=now.date(),
            floor=floor,
            shops_per_person=person,
            matching=matching_terms(match, identifiers),
            trainings=trainings or 1,
            measured=measure or (),
        )
    founding = Founding(charter=agreed, host=host, listen=listen or _listen_for(host), base_port=port)
    made = found_coop(place, founding, now=now)
    typer.echo(f"The co-op {agreed.coop.name} is made, in {made.root}.")
    for line in claims_of(agreed).lines():
        typer.echo(f"  one training costs at most {line}")
    typer.echo(f"  {period_in_words(agreed)}")
    for line in weights_in_words(agreed):
        typer.echo(f"  {line}")
    for line in rules_in_words(agreed, stores=stores):
        typer.echo(f"  {line}")
    if agreed.matching is not None:
        from highstreet.audit.matchings import fewest_participants

        fewest = fewest_participants(agreed)
        typer.echo(f"  a matching needs at least {fewest} shops that all count for each other")
    typer.echo(f"Read its charter: {made.charter_toml}. Change it now or never: highstreet coop charter.")
    typer.echo("Then: highstreet coop run, and highstreet coop invite NAME for each shop.")
    typer.echo(f"Back up {made.keys}: who has it can speak as the co-op, and without it the co-op ends.")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT.

    Raises:
        SettingsError: not of that form.
    """
    from highstreet.server.errors import SettingsError

    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535 or not host.isascii():
        raise SettingsError(
            f"{address!r} is not an address.", next_step="Write it as HOST:PORT, such as 192.168.1.10:9440."
        )
    return host, int(port)


def _listen_for(host: str) -> str:
    """Listen on loopback for a loopback name, else on every card: a name may be the router's."""
    return "127.0.0.1" if host in {"127.0.0.1", "localhost"} else "0.0.0.0"  # noqa: S104  # said in the help
