"""A coordinator's records of processing (GDPR, Article 30), from its charter, its settings and its disk."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509

from highstreet.audit.charter import Charter
from highstreet.audit.log_files import ENTRIES
from highstreet.audit.processing_records import (
    Activity,
    Blank,
    Measure,
    MeasureState,
    ProcessingRecords,
)
from highstreet.files import FileAccessError, is_private_folder, read_limited
from highstreet.server.home import CoopHome

__all__ = ["gather_records"]

_LIMIT_BYTES = 1 << 20


def gather_records(home: CoopHome, *, now: datetime) -> ProcessingRecords:
    """Gather the records as things stand now; no member is named in it.

    Raises:
        AuditError: the charter in force cannot be relied on.
        FileAccessError: the folder cannot be looked at.
    """
    charter = home.charter()
    return ProcessingRecords(
        made_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        whose=f"the coordinator of {charter.coop.name}",
        controller={
            "name": Blank(f"who runs the coordinator of {charter.coop.name}: name and legal form"),
            "contact": Blank("the coordinator's contact details"),
            "joint_controllers": Blank(
                "whether the coordinator and the member shops are joint controllers (Article 26)"
            ),
            "representative": Blank("a representative in the Union, if one is needed (Article 27)"),
            "data_protection_officer": Blank("a data protection officer, if there is one (Article 37)"),
        },
        activities=(_sums(charter), _membership(charter)),
        measures=_measures(home, charter, now),
    )


def _sums(charter: Charter) -> Activity:
    names = dict.fromkeys(phase.name for phase in charter.plan.phases)
    matching = () if charter.matching is None else ("masked tables of private matching, opened as one sum",)
    return Activity(
        name="Training and releasing the shared model",
        purposes=tuple(charter.purposes),
        ground=("consent that each shop asks its customers for (GDPR, Article 6(1)(a))",),
        data_subjects=("customers of the member shops, in sums over many; no single one can be seen",),
        data_categories=(
            f"sums over at least {charter.rounds.cohort_floor} shops with noise in them: {', '.join(names)}",
            *matching,
        ),
        recipients=("the member shops: the released model and its manifest",),
        transfers=(Blank("whether a member shop or the coordinator's computer is outside the EEA"),),
        retention=(
            "releases are kept for good; epsilon "
            f"{charter.privacy.epsilon:g} at delta {charter.privacy.delta:g} in "
            f"{charter.privacy.period_days:,} days bounds what they tell of one who is protected",
        ),
    )


def _membership(charter: Charter) -> Activity:
    people = (
        ("names and public keys of people who may override a rule",) if charter.bias_limits.people else ()
    )
    return Activity(
        name="Membership",
        purposes=("to know which shops are members, and to let them know each other's keys",),
        ground=(Blank("the ground for keeping members' names (a contract)"),),
        data_subjects=("owners of shops, where a shop's name is a person's", "people whom the charter names"),
        data_categories=("name of the shop, member id, public keys, days of joining and leaving", *people),
        recipients=("the member shops",),
        transfers=(Blank("whether a member shop or the coordinator's computer is outside the EEA"),),
        retention=(
            Blank("how long former members are kept; Highstreet keeps them, so that no key counts twice"),
        ),
    )


def _measures(home: CoopHome, charter: Charter, now: datetime) -> tuple[Measure, ...]:
    rounds, rules = charter.rounds, charter.bias_limits
    is_private = is_private_folder(home.root)
    return (
        _measure(
            "Keys and releases lie in a folder that other users of the computer cannot enter",
            is_private,
            "The folder lets in its owner alone." if is_private else "Other users can enter the folder.",
        ),
        Measure(
            what="The disk is encrypted, and the coordinator's keys are kept in a copy elsewhere",
            state=MeasureState.NOT_KNOWN,
            found="Highstreet does not encrypt its files; the operating system may.",
        ),
        _measure(
            "No sum of one shop, and no data of a customer, reaches the coordinator",
            True,
            f"By the signed charter sums are opened by a committee, over at least {rounds.cohort_floor} "
            f"shops, with noise for up to {rounds.colluders} colluding members.",
        ),
        _transport(home, now),
        _log(home),
        _measure(
            "Releases that are clearly worse for a group of customers are kept back",
            bool(rules.rules),
            f"Rules on bias in the charter: {len(rules.rules)}; people who can override, two together: "
            f"{len(rules.people)}.",
        ),
    )


def _measure(what: str, is_on: bool, found: str) -> Measure:
    return Measure(what=what, state=MeasureState.ON if is_on else MeasureState.OFF, found=found)


def _transport(home: CoopHome, now: datetime) -> Measure:
    what = "Connections are encrypted (TLS 1.3), and members show certificates of the co-op's own authority"
    try:
        data = read_limited(home.server_certificate, limit_bytes=_LIMIT_BYTES)
        until = x509.load_pem_x509_certificate(data).not_valid_after_utc
    except (FileAccessError, ValueError):
        return _measure(what, False, "The server's certificate cannot be read; nothing can connect.")
    return _measure(what, until > now, f"The server's certificate ends on {until.date()}.")


def _log(home: CoopHome) -> Measure:
    entries = home.log / ENTRIES
    is_on = entries.is_file() and entries.stat().st_size > 0
    found = "It has entries" if is_on else "It begins when the co-op runs"
    return _measure(
        "A signed log of rounds, releases and membership, which member shops cosign",
        is_on,
        f"{found}. `highstreet audit verify` checks every one.",
    )
