"""`highstreet store status`, `promise`, `budget` and `rounds`: how it stands, what left it, at what cost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.manifest import Manifest
    from highstreet.client.promise import Promise
    from highstreet.client.store_status import BudgetStatus, StoreStatus

__all__ = ["budget", "promise", "rounds", "status"]

_LEFT = {
    "inspection": "word on which of the sealed sums it was sent cannot be opened",
    "contribution": "noised sums, split among the shops of the committee",
    "agreement": "an agreement on whose sums are added up",
    "share of the sum": "one share of the sum of all, which says nothing alone",
}

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def status(ctx: typer.Context, as_json: AsJson = False, home: HomeOption = None) -> None:
    """Show customers, consent, co-op, release, budget, and whether the service runs."""
    from highstreet.client.store_status import store_status

    found = store_status(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_status(found)


def promise(
    ctx: typer.Context,
    as_json: AsJson = False,
    as_charter: Annotated[
        bool,
        typer.Option("--charter", help="The whole charter, for `highstreet coop charter check`."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Show what the co-op promises customers, checked again here: signatures, and the cost recomputed."""
    from highstreet.audit.charter_format import to_toml
    from highstreet.client.promise import read_promise

    found = read_promise(store_home(ctx, home))
    if as_charter:
        typer.echo(to_toml(found.charter), nl=False)
    elif as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_promise(found)


def budget(ctx: typer.Context, as_json: AsJson = False, home: HomeOption = None) -> None:
    """Show what was spent of privacy: for a customer of this shop, and for one of several."""
    from highstreet.client.store_status import budget_status

    found = budget_status(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_budget(found)


def rounds(ctx: typer.Context, as_json: AsJson = False, home: HomeOption = None) -> None:
    """Show each message that left this shop: when, how large, and why one was refused."""
    from dataclasses import asdict

    from highstreet.client.round_log import read_rounds

    notes = read_rounds(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps([asdict(note) for note in notes]))
        return
    if not notes:
        typer.echo("Nothing has left this shop.")
        return
    for note in notes:
        when = datetime.fromtimestamp(note.at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        which = f"round {note.round} ({printable(note.phase)})" if note.phase else "a message"
        if note.outcome == "sent":
            what = _LEFT.get(note.what, printable(note.what))
            noise = " Noise inside: yes." if note.noise_inside else ""
            typer.echo(f"{when}  {which}: {note.reply_bytes:,} bytes left: {what}.{noise}")
            if note.reply_sha256:
                typer.echo(f"{' ' * len(when)}  SHA-256 of what left: {note.reply_sha256}")
        else:
            why = printable(note.reason)
            typer.echo(f"{when}  {which} refused: {why}. No sums left ({note.reply_bytes:,} bytes).")
    total = sum(note.reply_bytes for note in notes)
    typer.echo(f"{len(notes):,} messages, {total:,} bytes. No record of a customer is in any of them.")


def _show_status(found: StoreStatus) -> None:
    typer.echo(f"This shop: {found.home}")
    if not found.has_data:
        typer.echo("  Nothing was imported yet: highstreet store import FOLDER")
    else:
        span = f", {found.first_order} to {found.last_order}" if found.first_order else ""
        typer.echo(
            f"  {found.customers:,} customers, {found.products:,} products, {found.orders:,} orders "
            f"({found.lines:,} lines){span}."
        )
    for consent in found.consents:
        if consent.granted or consent.withdrawn:
            typer.echo(
                f"  {consent.plain_words}: {consent.granted:,} yes, {consent.withdrawn:,} no, "
                f"{consent.not_asked:,} not asked."
            )
    if found.coop_name:
        release = f"release {found.active_release} is in use" if found.active_release else "no release yet"
        typer.echo(f"  Co-op: {printable(found.coop_name)}, as {found.member_id}; {release}.")
        if found.counts:
            typer.echo(f"  {found.counts}")
        typer.echo("  Its service is running." if found.running else "  Not running: highstreet store run")
    else:
        typer.echo("  In no co-op: highstreet store join")
    if found.budget is not None:
        _show_budget(found.budget)


def _show_promise(found: Promise) -> None:
    from highstreet.audit.claims import period_in_words, weights_in_words

    charter, rounds = found.charter, found.charter.rounds
    typer.echo(f"The charter of {printable(charter.coop.name)}, agreed to on {found.agreed_on}")
    typer.echo(f"  SHA-256 {found.charter_sha256}")
    typer.echo("  signed by the coordinator whose code this shop joined with; it is the one agreed to")
    typer.echo(f"  used for: {', '.join(charter.purposes)}, and only customers who said yes to it")
    typer.echo(
        f"  opened are only sums of {rounds.cohort_floor} shops or more; it holds as long as no more than "
        f"{rounds.colluders} of the other shops work with the coordinator"
    )
    typer.echo(f"One training asks {len(charter.plan.phases)} times for a sum:")
    for phase in charter.plan.phases:
        drawn = "" if phase.sampling_rate == 1 else f", each drawn with chance {phase.sampling_rate:g}"
        typer.echo(
            f"  {phase.name}: {phase.dimension:,} numbers, one customer counts for at most "
            f"{phase.clipping_norm:g}{drawn}, noise {phase.noise_multiplier:g} times that"
        )
    typer.echo("It costs at most, recomputed here from that noise:")
    for line in found.claims.lines():
        typer.echo(f"  {line}")
    typer.echo(f"The charter promises: {period_in_words(charter)}.")
    for line in weights_in_words(charter):
        typer.echo(f"  {line}")
    typer.echo("No release is in use." if found.release is None else _of_release(found.release))


def _of_release(manifest: Manifest) -> str:
    return (
        f"Release {manifest.number} of {manifest.created} is in use: signed by that coordinator, its model "
        "file is the signed one,\n  made under this charter at these figures, from sums of "
        f"{manifest.participants} shops or more."
    )


def _show_budget(found: BudgetStatus) -> None:
    from highstreet.privacy.claims import rounded_up

    part = found.spent_part
    words = "nothing" if not found.rounds else "almost all" if part > 0.95 else f"about {round(part * 100)} %"
    typer.echo(
        f"  Privacy: {words} of the budget is spent "
        f"(rounds: {found.rounds:,}, customers who took part: {found.customers:,})."
    )
    if found.out_until:
        typer.echo(f"    restored: this shop stays out of rounds until {found.out_until}")
    if found.rounds:
        typer.echo("    counted as for a customer who took part in every round, so a refusal tells of nobody")
    for line in found.claims:
        typer.echo(f"    {line}")
    if found.colluders is not None:
        typer.echo(
            "    against everybody outside this shop, as long as no more than "
            f"{found.colluders} of the other shops work with the coordinator"
        )
    typer.echo(
        f"    limit of this shop: epsilon {found.limit_epsilon:g}, delta {found.delta:g} for a customer of "
        f"it in any {found.period_days} days; counted so far: epsilon {rounded_up(found.counted_epsilon)}"
    )
    if found.promised_epsilon is not None and found.promised_counted_epsilon is not None:
        typer.echo(
            f"    limit by the co-op's charter: epsilon {found.promised_epsilon:g}, delta "
            f"{found.promised_delta:g} for a customer of one shop in any {found.promised_period_days} days; "
            f"counted so far: epsilon {rounded_up(found.promised_counted_epsilon)}"
        )
    typer.echo("    A round that would go over a limit is refused before anything is computed.")
