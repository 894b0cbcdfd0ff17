"""`highstreet audit attestation`: checks what a store opened, or one person's proof, offline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.audit.cli_keys import KeyOption, read_key
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.attestation import Attestation, AttestedKind, AttestedRound, AttestedUse
    from highstreet.audit.attestation_check import OpeningVerdict
    from highstreet.audit.attestation_papers import AttestationOpening, CohortEntry

__all__ = ["attestation"]

_CHARTER_LIMIT_BYTES = 1 << 20


def attestation(
    file: Annotated[Path, typer.Argument(help="What `store attestation export` or `prove` wrote.")],
    key: KeyOption = "",
    charter: Annotated[
        Path | None,
        typer.Option(
            help="The co-op's charter, as `highstreet store promise --charter` prints it: what the store "
            "attested of its cost must then be possible under it."
        ),
    ] = None,
) -> None:
    """Check what a shop attested of a training round or a matching: that everybody behind it had agreed.

    Of an auditor's opening, every customer is judged anew by what they had said up to that moment; the first
    without consent is named, by number. Of one person's proof it is told whether they were among them. It
    needs nothing but the file; give the shop's key as the co-op's roster has it.
    """
    from highstreet.audit.attestation_check import check_membership, check_opening
    from highstreet.audit.attestation_papers import PAPER_LIMIT_BYTES, AttestationOpening, read_paper
    from highstreet.files import read_limited

    public_key = read_key(key)
    paper = read_paper(read_limited(file, limit_bytes=PAPER_LIMIT_BYTES))
    if isinstance(paper, AttestationOpening):
        verdict = check_opening(paper, public_key=public_key)
        found = verdict.attestation
        lines = [*_attested(found), *_opened(paper, verdict)]
    else:
        verdict = None
        found = check_membership(paper, public_key=public_key)
        lines = [*_attested(found), *_proven(found.round.kind, paper.entry)]
    if public_key is None:
        lines.append(
            f"signed with {paper.public_key.hex()}: compare that with the roster, or give it as --key"
        )
    if charter is not None:
        lines.append(_held_to(charter, found))
    typer.echo("\n".join(printable(line) for line in lines))
    if verdict is not None and verdict.first is not None:
        raise typer.Exit(1)


def _held_to(file: Path, found: Attestation) -> str:
    """Hold the cost that was attested to a charter, and say which."""
    from highstreet.audit.attested_cost import cost_allowed
    from highstreet.audit.charter_format import from_toml
    from highstreet.files import read_limited

    data = read_limited(file.expanduser(), limit_bytes=_CHARTER_LIMIT_BYTES)
    charter = from_toml(data.decode("utf-8", errors="replace"))
    cost_allowed(charter, found.round).check(found.use)
    return f"The cost is one that a store can have under the charter with SHA-256 {charter.sha256().hex()}."


def _attested(found: Attestation) -> list[str]:
    from highstreet.audit.attestation import AttestedKind

    about, use = found.round, found.use
    return [
        f"store     {about.member_id} of co-op {about.coop_id}",
        f"{_which(about)}, request {about.request_sha256.hex()}",
        *([f"model in  {about.model_sha256.hex()}"] if about.kind is AttestedKind.TRAINING else []),
        f"sent      {about.contribution_sha256.hex()}",
        f"policy    {use.policy_sha256.hex()}",
        _cost(about.kind, use),
    ]


def _which(about: AttestedRound) -> str:
    """Say what was contributed; people count rounds from 1."""
    from highstreet.audit.attestation import AttestedKind

    if about.kind is AttestedKind.TRAINING:
        return f"round     {about.programme_id}/{about.round + 1}"
    what = "list" if about.kind is AttestedKind.MATCHING_LIST else "table"
    return f"matching  {about.programme_id}/{what}"


def _cost(kind: AttestedKind, use: AttestedUse) -> str:
    from highstreet.audit.attestation import AttestedKind

    if kind is AttestedKind.TRAINING:
        return (
            f"epsilon   {use.epsilon:.4g} in this programme up to this round, delta {use.delta:g}, a "
            "customer of this shop added or removed"
        )
    return f"delta     {use.delta:.4g}: what one person in the matching can change for others; no noise in it"


def _opened(opening: AttestationOpening, verdict: OpeningVerdict) -> list[str]:
    moment = datetime.fromtimestamp(opening.basis.time.now // 1_000_000, tz=UTC).strftime(
        "%Y-%m-%d %H:%M UTC"
    )
    lines = [
        f"consent   {opening.basis.position:,} entries, root {opening.basis.root.hex()}, as of {moment}",
        f"cohort    {verdict.customers:,} customers checked; {verdict.erased:,} erased since",
    ]
    if verdict.emptied:
        lines.append(
            f"emptied   {verdict.emptied:,} entries of the consent log: hold them against the shop's "
            "certificates of erasures"
        )
    if verdict.first is None:
        return [*lines, "", "Every customer who could be checked had standing consent."]
    first = verdict.first
    return [
        *lines,
        "",
        f"Customer {first.entry.customer} (leaf {first.entry.slot}) was used for "
        f"{first.purpose.plain_words}; consent to that: {first.state.replace('_', ' ')}.",
        f"{verdict.without:,} of the cohort had no consent. Ask the shop what happened.",
    ]


def _proven(kind: AttestedKind, entry: CohortEntry) -> list[str]:
    """Say what for: what the store says, and what such a contribution is for whatever it says."""
    purposes = "; ".join(each.plain_words for each in sorted(entry.purposes | kind.purposes))
    return [
        "",
        f"Customer {entry.customer}, as this shop's vault counts them, was among those whose data that rests "
        f"on, for: {purposes}.",
    ]
