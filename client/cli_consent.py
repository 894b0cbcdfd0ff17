"""`highstreet store consent`: what customers said: written down, shown, counted, and asked for again."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client import cli_consent_papers
from highstreet.client.cli_options import HomeOption, JsonOption, store_home, with_customers
from highstreet.command_groups import command_group

if TYPE_CHECKING:
    from highstreet.audit.consent import Act, Channel, ConsentState, Purpose
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.consent_log import LoggedEvent
    from highstreet.client.home import StoreHome
    from highstreet.client.vault import Vault

__all__ = ["consent_app"]

consent_app = command_group("consent", "What customers agree to: write it down, show it, ask again.")
consent_app.command("import")(cli_consent_papers.import_signals)
consent_app.command("receipt")(cli_consent_papers.receipt)
_NOTICE_LIMIT_BYTES = 1 << 20
_DAY_MICROSECONDS = 86_400_000_000

CustomerArgument = Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")]
PurposeArgument = Annotated[
    str,
    typer.Argument(
        help="suggestions_here, shop_model, coop_learning, email_marketing, matching or sensitive_categories."
    ),
]


class _Said(StrEnum):
    YES = "yes"
    NO = "no"
    OBJECTS = "objects"
    ASKED = "asked"


class _Heard(StrEnum):
    SPOKEN = "spoken"
    FORM = "form"
    CLICK = "click"


class _YesOrNo(StrEnum):
    YES = "yes"
    NO = "no"


@consent_app.command("record")
def record(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    customer: CustomerArgument,
    purpose: PurposeArgument,
    said: Annotated[_Said, typer.Argument(help="What the customer said; asked: they were asked.")],
    channel: Annotated[
        str, typer.Option(help="Where it holds: everywhere, till, web, email, ...")
    ] = "everywhere",
    how: Annotated[_Heard, typer.Option(help="How they said it.")] = _Heard.SPOKEN,
    place: Annotated[str, typer.Option(help="Where they said it; never a person's name.")] = "store command",
    notice: Annotated[
        str, typer.Option(help="VERSION:LANGUAGE of the text they were shown, as in `notices`.")
    ] = "",
    valid_days: Annotated[int, typer.Option(min=0, help="A yes counts so many days; 0: no end.")] = 0,
    home: HomeOption = None,
) -> None:
    """Write down what a customer said to one purpose. It counts from now on, also in a round under way.

    For example: `record 1042 coop_learning yes --how form --notice 2026-11:en`. Purposes are
    suggestions_here, shop_model, coop_learning, email_marketing, matching and sensitive_categories; each is
    off until a customer says yes to it, and a yes to one is none to another. `objects` is an objection
    (GDPR, Article 21). `asked` writes down that they were asked and have not answered.

    Who takes back a yes to co-op learning or matching has no count of shops any more, and gets one at the
    next matching after saying yes to both.
    """
    from highstreet.audit.consent import Act, Channel, Method, Purpose
    from highstreet.client.consent import ConsentDesk, How
    from highstreet.client.matching_withdrawals import forget_withdrawn_at
    from highstreet.client.vault import Vault

    chosen, where = Purpose.parse(purpose), Channel.parse(channel)
    shown = tuple(notice.split(":", 1)) if notice else None
    if shown is not None and len(shown) != 2:
        raise typer.BadParameter("Give the notice as VERSION:LANGUAGE, such as 2026-11:en.")
    if valid_days and said is not _Said.YES:
        raise typer.BadParameter("Only a yes has an end.")
    until = None
    if valid_days:
        until = int(datetime.now(UTC).timestamp() * 1_000_000) + valid_days * _DAY_MICROSECONDS
    facts = How(
        method=Method(how.value),
        source=place,
        notice=None if shown is None else (shown[0], shown[1]),
        valid_until=until,
    )
    store = with_customers(store_home(ctx, home))
    with Vault.open(store.vault) as vault:
        desk = ConsentDesk(vault)
        act = {_Said.YES: Act.GIVEN, _Said.OBJECTS: Act.OBJECTED, _Said.ASKED: Act.ASKED}.get(said)
        if act is None:
            act = _no(desk.history(vault.customer_key(customer)), chosen)
        desk.record(customer, chosen, act, facts, channel=where)
        typer.echo(f"Written down: {said.value} to {chosen.plain_words}. It counts from now on.")
        forget_withdrawn_at(store, vault)


def _no(history: tuple[LoggedEvent, ...], purpose: Purpose) -> Act:
    """A no is a withdrawal where there was ever a yes, and a refusal where there was none."""
    from highstreet.audit.consent import Act

    acts = [
        entry.event.act for entry in history if entry.event is not None and entry.event.purpose is purpose
    ]
    return Act.WITHDRAWN if Act.GIVEN in acts else Act.REFUSED


@consent_app.command("show")
def show(
    ctx: typer.Context, customer: CustomerArgument, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Show where one customer stands on each purpose, and everything they ever said.

    CUSTOMER is their number in the imported files. Where they stand follows from what they said and is kept
    nowhere else.
    """
    from highstreet.audit.consent import Channel, Purpose
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.vault import Vault

    store = with_customers(store_home(ctx, home))
    with Vault.open(store.vault) as vault:
        desk, key = ConsentDesk(vault), vault.customer_key(customer)
        history = desk.history(key)
        states = {
            purpose: {channel: desk.state(key, purpose, channel) for channel in Channel}
            for purpose in Purpose
        }
        if as_json:
            _print_json(states, history)
            return
        for purpose, by_channel in states.items():
            typer.echo(
                f"{purpose.plain_words}: {_in_words(by_channel[Channel.EVERYWHERE])}{_differing(by_channel)}"
            )
        for reason in sorted(desk.exclusions(key)):
            typer.echo(f"used for nothing, whatever was agreed to: {reason.value}")
        _show_count(store, vault, desk, key)
        for entry in history:
            typer.echo(f"  {_line(entry)}")


def _print_json(states: dict[Purpose, dict[Channel, ConsentState]], history: tuple[LoggedEvent, ...]) -> None:
    import json

    plain = {
        "states": states,
        "events": [
            {"position": entry.position, **json.loads(entry.event.canonical())}
            for entry in history
            if entry.event is not None
        ],
    }
    typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def _in_words(state: ConsentState) -> str:
    return state.value.replace("_", " ")


def _differing(by_channel: dict[Channel, ConsentState]) -> str:
    """Name the channels on which a customer stands otherwise than everywhere, which comes first."""
    (_, everywhere), *others = by_channel.items()
    told = [f"{channel}: {_in_words(state)}" for channel, state in others if state is not everywhere]
    return f" ({', '.join(told)})" if told else ""


def _line(entry: LoggedEvent) -> str:
    event = entry.event
    if event is None:
        return f"{entry.position}: erased"
    moment = datetime.fromtimestamp(event.at / 1_000_000, tz=UTC)
    told = f"{moment:%Y-%m-%d %H:%M} UTC, {_spaced(event.act)}: {event.purpose.plain_words}, {event.channel}"
    told += f"; {event.method}, {event.source}" if event.source else f"; {event.method}"
    if event.notice is not None:
        told += f"; notice {event.notice.version} ({event.notice.language})"
    if event.valid_until is not None:
        told += f"; until {datetime.fromtimestamp(event.valid_until / 1_000_000, tz=UTC):%Y-%m-%d}"
    return f"{told} [entry {entry.position}]"


def _spaced(act: Act) -> str:
    return act.value.replace("_", " ")


def _show_count(store: StoreHome, vault: Vault, desk: ConsentDesk, key: int) -> None:
    if not store.person_counts.exists():
        return
    from highstreet.client.matching_inputs import MATCHING_PURPOSES, present_inputs
    from highstreet.client.person_counts import PersonCounts

    kept = PersonCounts(store.person_counts, vault_id=vault.vault_id).latest()
    if kept is not None and kept.shops is not None:
        present = present_inputs(vault, desk.cohort(*MATCHING_PURPOSES))
        k = kept.held_by(present).get(str(key))
        typer.echo(f"shops of the co-op, by the latest matching: {'not counted' if k is None else k}")


@consent_app.command("counts")
def counts(ctx: typer.Context, home: HomeOption = None) -> None:
    """Count customers by where they stand on each purpose: said yes, said no, never asked, ran out.

    The counts stay on this computer.
    """
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.vault import Vault

    with Vault.open(with_customers(store_home(ctx, home)).vault) as vault:
        desk = ConsentDesk(vault)
        for purpose, count in desk.counts().items():
            typer.echo(
                f"{purpose.plain_words}: {count.granted:,} yes, {count.withdrawn:,} no, "
                f"{count.lapsed:,} to be asked again, {count.not_asked:,} not asked."
            )
        head = desk.root()
        typer.echo(f"The log has {head.position:,} entries, root {head.root.hex()}.")


@consent_app.command("tidy")
def tidy(ctx: typer.Context, home: HomeOption = None) -> None:
    """Write down every yes that ran out; empty and remove what is kept no longer.

    How long a yes counts and answers are kept is in store.toml, section [consent]. A yes that ran out counts
    for nothing from that moment on, written down or not; this puts it on record. Copies of customers' data
    that were made for them are removed after 30 days, and entries of the register of erasures when their
    backup_days are over. `highstreet store run` does all of it once a day by itself.
    """
    from highstreet.client.retention import tidy as tidy_store

    done = tidy_store(with_customers(store_home(ctx, home)), now=datetime.now(UTC))
    typer.echo(f"{done.ended:,} answers ran out; the answers of {done.emptied:,} customers were emptied.")
    if done.copies or done.erasures:
        typer.echo(
            f"Removed: {done.copies:,} copies made for customers, {done.erasures:,} entries of the register "
            "of erasures."
        )
    if done.troubles:
        raise done.troubles[0]


@consent_app.command("notice")
def notice(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="The shop's own name for it, such as 2026-11.")],
    language: Annotated[str, typer.Argument(help="Such as en or de-AT.")],
    file: Annotated[Path, typer.Argument(help="The exact text that customers are shown, UTF-8.")],
    home: HomeOption = None,
) -> None:
    """Keep the exact text of a notice, so that what customers were shown can be told later.

    For example: `notice 2026-11 en privacy-notice.txt`, and then `record ... --notice 2026-11:en`. Another
    text needs another version: a notice that is kept is never changed.
    """
    import time

    from highstreet.client.errors import UnknownNoticeError
    from highstreet.client.notices import add_notice
    from highstreet.client.vault import Vault
    from highstreet.files import read_limited

    try:
        text = read_limited(file, limit_bytes=_NOTICE_LIMIT_BYTES).decode()
    except UnicodeDecodeError as error:
        raise UnknownNoticeError(f"{file} is not UTF-8.", next_step="Save it as UTF-8 text.") from error
    with Vault.open(with_customers(store_home(ctx, home)).vault) as vault:
        name = add_notice(vault, version=version, language=language, text=text, now=time.time_ns() // 1000)
    typer.echo(f"Kept: notice {name.version} ({name.language}), SHA-256 {name.sha256.hex()}.")


@consent_app.command("notices")
def notices(ctx: typer.Context, home: HomeOption = None) -> None:
    """List the notices that are kept: version, language, and what their text hashes to."""
    from highstreet.client.notices import list_notices
    from highstreet.client.vault import Vault

    with Vault.open(with_customers(store_home(ctx, home)).vault) as vault:
        found = list_notices(vault)
    for each in found:
        typer.echo(f"{each.name.version} ({each.name.language}): SHA-256 {each.name.sha256.hex()}")
    if not found:
        typer.echo("No notices yet: highstreet store consent notice VERSION LANGUAGE FILE.")


@consent_app.command("minor")
def minor(
    ctx: typer.Context,
    customer: CustomerArgument,
    is_minor: Annotated[_YesOrNo, typer.Argument(help="Whether the customer is a minor.")],
    home: HomeOption = None,
) -> None:
    """Say whether a customer is a minor: `minor 1042 yes`, or `no` when they are none any more.

    A minor's data is used for nothing, whatever was agreed to.
    """
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.consented_cohort import Exclusion
    from highstreet.client.vault import Vault

    with Vault.open(with_customers(store_home(ctx, home)).vault) as vault:
        desk = ConsentDesk(vault)
        (desk.exclude if is_minor is _YesOrNo.YES else desk.include)(customer, Exclusion.MINOR)
    typer.echo("Written down. It counts from now on.")


@consent_app.command("ask-again")
def ask_again(
    ctx: typer.Context,
    purpose: PurposeArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    home: HomeOption = None,
) -> None:
    """End everybody's yes to a purpose: the notice changed in what matters, and they are asked anew.

    Nobody's data is used for that purpose until they say yes again. It cannot be taken back.
    """
    from highstreet.audit.consent import Purpose
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.matching_withdrawals import forget_withdrawn_at
    from highstreet.client.vault import Vault

    chosen = Purpose.parse(purpose)
    store = with_customers(store_home(ctx, home))
    if not yes:
        typer.confirm(f"End everybody's yes to {chosen.plain_words}?", abort=True)
    with Vault.open(store.vault) as vault:
        ConsentDesk(vault).ask_everybody_again(chosen, source="store command")
        forget_withdrawn_at(store, vault)
    typer.echo("Done: nobody's yes of before counts any more.")


@consent_app.command("accept-restored")
def accept_restored(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    home: HomeOption = None,
) -> None:
    """After an older copy was put back: use the log as it is, with nobody's yes until asked again.

    An older copy of the shop's data may have forgotten withdrawals, so it is not used. If you have the newer
    data, put that back instead. Otherwise this goes on with the older copy, in which nobody has said yes.
    """
    from highstreet.client.consent_restoration import accept_restored_log, is_rewound
    from highstreet.client.vault import Vault

    store = with_customers(store_home(ctx, home))
    with Vault.open(store.vault) as vault:
        if not is_rewound(vault):
            typer.echo("The consent log is the one that this shop has known; nothing was changed.")
            return
    if not yes:
        typer.confirm(
            "Withdrawals may be lost. End everybody's yes to everything, until asked again?",
            abort=True,
        )
    head = accept_restored_log(store)
    typer.echo(
        f"Accepted: the log goes on with entry {head.position:,}. Nobody agrees to anything until asked "
        "again; what stood as a no stays one. Objections, minors and restrictions since that copy are not in "
        "it: write them down again."
    )
