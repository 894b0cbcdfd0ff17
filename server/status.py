"""How the co-op stands, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from highstreet.audit.bias_gate import Verdict
from highstreet.audit.bias_rules import BiasLimits
from highstreet.audit.manifest import Manifest
from highstreet.audit.roster import Edge
from highstreet.audit.scorecard import RANKINGS
from highstreet.privacy.claims import Claim
from highstreet.privacy.releases import Weighting
from highstreet.server.membership import Member
from highstreet.server.programmes import Complaint, RoundSummary

__all__ = [
    "bias_table",
    "complaints_table",
    "evaluation_table",
    "members_table",
    "releases_table",
    "rounds_table",
]

#: Which products were to be found; "new" ones were new to their customer.
_PARTS = {"all": "all", "novel": "new"}


def members_table(
    members: Sequence[Member], edges: frozenset[Edge], counted: Mapping[str, Collection[str]]
) -> Table:
    """Show who is in and since when, who vouches for each, and for how many of the others it counts.

    Args:
        members: in the order to show.
        edges: the vouches that stand between them.
        counted: by member, whom its store counts.
    """
    table = Table(
        "shop", "member id", "joined", "vouched for by", "counts for", title="Members", title_justify="left"
    )
    ids = [member.member_id for member in members]
    for member in members:
        vouchers = [each.name for each in members if (each.member_id, member.member_id) in edges]
        counting = sum(member.member_id in counted[me] for me in ids if me != member.member_id)
        table.add_row(
            Text(member.name),
            member.member_id,
            _day(member.joined_at),
            Text(", ".join(vouchers)),
            f"{counting} of {len(ids) - 1}",
        )
    return table


def rounds_table(rounds: Sequence[RoundSummary]) -> Table:
    """Show a programme's rounds, from 1 on: phase, stores in the sum, committee's answers, seconds."""
    table = Table(
        "round", "phase", "stores", "committee answers", "seconds", title="Rounds", title_justify="left"
    )
    for each in rounds:
        if each.closed_at is None:
            table.add_row(str(each.round + 1), Text(each.phase), "", "", "open")
        else:
            seconds = str(each.closed_at - each.opened_at)
            stores = str(each.contributors)
            table.add_row(str(each.round + 1), Text(each.phase), stores, each.committee, seconds)
    return table


def complaints_table(complaints: Sequence[Complaint]) -> Table | None:
    """Show whose contributions the committees could not use, and who said so; None when they could use all.

    One of the two is at fault; which of them is sure only where more complain than may lie.
    """
    if not complaints:
        return None
    table = Table(
        "phase",
        "contribution of",
        "cannot be opened by",
        "what became of it",
        title="Contributions that did not open",
        title_justify="left",
    )
    for each in complaints:
        became = "left out" if each.left_out else "kept, enough others could"
        fault = "; its sender is at fault" if each.at_fault else "; sender or complainer is at fault"
        table.add_row(
            Text(each.phase), Text(each.contributor), Text(", ".join(each.complainers)), became + fault
        )
    return table


def releases_table(manifests: Sequence[Manifest]) -> Table:
    """Show releases, newest first, with what each cost."""
    table = Table(
        "release",
        "created",
        "stores",
        "rounds",
        "customer of one shop",
        "person in up to k shops",
        "bytes",
        title="Releases",
        title_justify="left",
    )
    for manifest in reversed(manifests):
        customer, person = manifest.claims.customer, manifest.claims.person
        table.add_row(
            str(manifest.number),
            manifest.created,
            str(manifest.participants),
            str(manifest.rounds),
            f"epsilon {customer.printed_epsilon}, delta {customer.delta:g}",
            f"epsilon {person.printed_epsilon}, delta {person.delta:g}, k = {person.k}{_divided(person)}",
            f"{manifest.model_bytes:,}",
        )
    return table


def _divided(person: Claim) -> str:
    said = {Weighting.ONE_OVER_MOST: " by k", Weighting.ONE_OVER_SHOPS: " by the person's shops"}
    return f", contributions divided{said[person.weighting]}" if person.weighting in said else ""


def bias_table(limits: BiasLimits, verdict: Verdict) -> Table:
    """Show what was found by each rule on bias, group by group."""
    table = Table(
        "rule", "group", "value (interval)", "wanted", "found", title="Rules on bias", title_justify="left"
    )
    rules = {rule.name: rule for rule in limits.rules}
    for finding in verdict.findings:
        rule = rules[finding.rule]
        wanted = f"{rule.direction.value.replace('_', ' ')} {rule.limit:g}"
        for cell in finding.cells:
            value = f"{cell.value:+.3f} ({cell.low:+.3f} to {cell.high:+.3f})"
            table.add_row(Text(rule.name), Text(cell.cell), value, wanted, cell.outcome.value)
        for group in finding.withheld:
            table.add_row(Text(rule.name), Text(group), "too few customers", wanted, "not judged")
        if not finding.cells and not finding.withheld:
            table.add_row(Text(rule.name), "", "nothing measured", wanted, finding.outcome.value)
    return table


def evaluation_table(manifests: Sequence[Manifest]) -> Table | None:
    """Show how good each evaluated release is, newest first, with intervals; None when none was evaluated."""
    evaluated = [manifest for manifest in reversed(manifests) if manifest.evaluation]
    if not evaluated:
        return None
    table = Table(
        "release",
        "products",
        "customers",
        *("shared model", "popularity alone"),
        title="NDCG@10 on the days held out (95 % interval, noise included)",
        title_justify="left",
    )
    for manifest in evaluated:
        figures = manifest.evaluation
        for part, words in _PARTS.items():
            measured = f"{figures[f'customers/{part}']:.0f} ± {1.96 * figures['noise_stddev']:.0f}"
            if manifest.claims.person.weighting is Weighting.ONE_OVER_SHOPS:
                measured += " persons"  # a customer who shops in k shops is 1 / k of one in each
            cells = [_figure(figures, f"ndcg_at_10/{part}/{ranking}") for ranking in RANKINGS]
            table.add_row(str(manifest.number), words, measured, *cells)
    return table


def _figure(figures: Mapping[str, float], name: str) -> str:
    """A figure with its interval, or why there is none."""
    if name not in figures:
        return "too noisy to say"
    return f"{figures[name]:.2f} ({figures[f'{name}/low']:.2f} to {figures[f'{name}/high']:.2f})"


def _day(unix_seconds: int | None) -> str:
    return (
        "" if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M")
    )
