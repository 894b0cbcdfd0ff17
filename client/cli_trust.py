"""`highstreet store status`, `promise`, `budget` and `rounds`: how it stands, what left it, at what cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_options import HomeOption, JsonOption, store_home
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.manifest import Manifest
    from highstreet.client.promise import Promise
    from highstreet.client.round_log import RoundNote
    from highstreet.client.store_status import BudgetStatus, StoreStatus

__all__ = ["budget", "promise", "rounds", "status"]

_LEFT = {
    "inspection": "word on whether each sealed sum it was sent can be opened",
    "contribution": "noised sums, split among the shops of the committee",
    "agreement": "an agreement on whose sums are added up",
    "share of the sum": "one share of the sum of all, which says nothing alone",
    "matching key": "the public part of a key that is destroyed when the matching is over",
    "blinded list": "a list of blinded identifiers, as long as every shop's, from which nobody can read one",
    "evaluations of blinded lists": "what this shop's key makes of other shops' blinded lists",
    "table of a matching": "a masked table, as large as every shop's, split among the shops of the committee",
    "word that counts were dealt with": "that word and no count; it is the same if they could not be read",
}
#: The parts of a matching that are attested, by what left.
_ATTESTED = {"blinded list": "/list", "table of a matching": "/table"}


def status(ctx: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show customers, consent, co-op, release, budget, and whether the service runs."""
    from highstreet.client.store_status import store_status

    found = store_status(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_status(found)


def promise(
    ctx: typer.Context,
    as_json: JsonOption = False,
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


def budget(ctx: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show what was spent of privacy: for a customer of this shop, and for one of several."""
    from highstreet.client.store_status import budget_status

    found = budget_status(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _show_budget(found)


def rounds(ctx: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show each message that left this shop: when, how large, and why one was refused.

    A round is named PROGRAMME/NUMBER, counted from 1; of a matching, list and table have names of their own.
    `highstreet store attestation` takes these names.
    """
    from dataclasses import asdict

    from highstreet.client.round_log import read_rounds

    notes = read_rounds(store_home(ctx, home))
    if as_json:
        typer.echo(json.dumps([asdict(note) for note in notes]))
        return
    if not notes:
        typer.echo(
            "Nothing has left this shop. It is asked only while `highstreet store run` runs, in a co-op."
        )
        return
    for note in notes:
        when = datetime.fromtimestamp(note.at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        which = _which(note)
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


def _which(note: RoundNote) -> str:
    """Name it as `store attestation` takes it, where something of it is attested; rounds count from 1."""
    if not note.phase:
        return "a message"
    programme_id = printable(note.programme_id)
    if note.phase.startswith("matching"):
        part = _ATTESTED.get(note.what, "")
        return f"matching {programme_id}{part}"
    return f"round {programme_id}/{note.round + 1} ({printable(note.phase)})"


def _show_status(found: StoreStatus) -> None:
    typer.echo(f"This shop: {found.home}")
    if found.has_data:
        span = f", {found.first_order} to {found.last_order}" if found.first_order else ""
        typer.echo(
            f"  {found.customers:,} customers, {found.products:,} products, {found.orders:,} orders "
            f"({found.lines:,} lines){span}."
        )
    for consent in found.consents:
        if consent.granted or consent.withdrawn or consent.lapsed:
            lapsed = f"{consent.lapsed:,} to be asked again, " if consent.lapsed else ""
            typer.echo(
                f"  {consent.plain_words}: {consent.granted:,} yes, {consent.withdrawn:,} no, "
                f"{lapsed}{consent.not_asked:,} not asked."
            )
    for line in _coop_lines(found):
        typer.echo(line)
    for line in found.matching.lines() if found.matching is not None else ():
        typer.echo(f"  {line}")
    if found.budget is not None:
        typer.echo(f"  Privacy: {_spent(found.budget)}. In full: highstreet store budget")
        if found.budget.out_until:
            typer.echo(f"  Restored: this shop stays out of rounds until {found.budget.out_until}.")
    typer.echo(f"Next: {_next_step(found)}")


def _coop_lines(found: StoreStatus) -> Iterator[str]:
    if not found.coop_name:
        yield "  In no co-op."
        return
    release = f"release {found.active_release} is in use" if found.active_release else "no release yet"
    yield f"  Co-op: {printable(found.coop_name)}, as member {found.member_id}; {release}."
    for line in (found.release_trouble, *found.bias, *found.served):
        if line:
            yield f"    {printable(line)}"
    if found.counts:
        yield f"  {found.counts}"
    yield f"  {found.log}"
    yield f"  {_running(found)}"
    if found.retention_trouble:
        yield f"    {printable(found.retention_trouble)}"


def _running(found: StoreStatus) -> str:
    if not found.running:
        return "Not running, so it takes part in nothing."
    if not found.rounds_answered + found.rounds_refused:
        return "Running; nothing was asked of it since it was started."
    return (
        f"Running; since it was started it gave sums to {found.rounds_answered:,} rounds and refused "
        f"{found.rounds_refused:,} messages."
    )


def _next_step(found: StoreStatus) -> str:
    """Say the one thing to do next."""
    from highstreet.audit.charter import COOP_LEARNING

    agreed = any(each.granted for each in found.consents if each.purpose == COOP_LEARNING)
    if not found.has_data or not found.customers:
        return "import the shop's exports: highstreet store import FOLDER"
    if not found.coop_name:
        return "join a co-op with the code its coordinator gave you: highstreet store join"
    if found.budget is not None and found.budget.out_until:
        return f"nothing; from {found.budget.out_until} on this shop can take part in rounds again"
    if not agreed:
        return (
            "ask customers: until one says yes to learning together, this shop adds noise alone. Import "
            f"their answers, or write one down: highstreet store consent record CUSTOMER {COOP_LEARNING} yes"
        )
    if not found.running:
        return "start it and leave it running: highstreet store run"
    if not found.active_release:
        return "wait for the co-op's first training; what leaves is listed by: highstreet store rounds"
    return "see suggestions for a customer: highstreet store suggest CUSTOMER"


def _show_promise(found: Promise) -> None:
    from highstreet.audit.bias_words import checked_in_words
    from highstreet.audit.claims import period_in_words, weights_in_words

    charter, rounds = found.charter, found.charter.rounds
    typer.echo(f"The charter of {printable(charter.coop.name)}, agreed to on {found.agreed_on}")
    typer.echo(f"  SHA-256 {found.charter_sha256}; every member must have the same")
    typer.echo("  signed by the coordinator whose code this shop joined with; it is the one agreed to")
    purposes = " and ".join(_in_words(each) for each in charter.purposes)
    typer.echo(f"  it is for {purposes}, with the data of customers who said yes to it and nobody else's")
    typer.echo(
        f"  only sums of {rounds.cohort_floor} shops or more are opened; that and all below holds as long as "
        f"no more than {rounds.colluders} of the other shops work with the coordinator"
    )
    typer.echo(f"One training asks {len(charter.plan.phases)} times for a sum:")
    for phase in charter.plan.phases:
        drawn = "" if phase.sampling_rate == 1 else f", each drawn with chance {phase.sampling_rate:g}"
        typer.echo(
            f"  {phase.name}: {phase.dimension:,} numbers, one customer counts for at most "
            f"{phase.clipping_norm:g}{drawn}, noise {phase.noise_multiplier:g} times that"
        )
    typer.echo(
        "It costs at most, recomputed here from that noise (the smaller epsilon, the less can be learnt):"
    )
    for line in found.claims.lines():
        typer.echo(f"  {line}")
    typer.echo(f"The charter promises: {period_in_words(charter)}.")
    for line in weights_in_words(charter):
        typer.echo(f"  {line}")
    typer.echo(f"  {printable(checked_in_words(charter))}")
    typer.echo("No release is in use." if found.release is None else _of_release(found.release))


def _in_words(purpose: str) -> str:
    """Say a purpose of a charter as consent is asked for it; one of a later version by its name."""
    from highstreet.audit.consent import Purpose

    known = {each.value: each.plain_words for each in Purpose}
    return known.get(purpose, printable(purpose))


def _of_release(manifest: Manifest) -> str:
    from highstreet.audit.bias_words import bias_in_words

    return (
        f"Release {manifest.number} of {manifest.created} is in use: signed by that coordinator, its model "
        "file is the signed one,\n  made under this charter at these figures, from sums of "
        f"{manifest.participants} shops or more."
        + "".join(f"\n  {line}" for line in bias_in_words(manifest.bias))
    )


def _show_budget(found: BudgetStatus) -> None:
    from highstreet.privacy.claims import rounded_up

    typer.echo(f"  Privacy: {_spent(found)}; {found.customers:,} customers took part.")
    if found.out_until:
        typer.echo(f"    restored: this shop stays out of rounds until {found.out_until}")
    typer.echo(
        "    epsilon bounds what anybody can learn of one customer from all of it: the smaller, the less"
    )
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


def _spent(found: BudgetStatus) -> str:
    part = found.spent_part
    words = "nothing" if not found.rounds else "almost all" if part > 0.95 else f"about {round(part * 100)} %"
    rounds = {0: "", 1: ", in 1 round"}.get(found.rounds, f", in {found.rounds:,} rounds")
    return f"{words} of the budget is spent{rounds}"
