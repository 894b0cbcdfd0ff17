"""A customer takes back a yes between two rounds of one training: what the shop attested before and after.

The shop opens both attestations, as it would for an auditor; `highstreet audit attestation` checks them with
the key that the co-op's roster names.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from highstreet.audit.attestation import AttestedKind
from highstreet.audit.attestation_papers import AttestationOpening, attested
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attestation_papers import open_attested
from highstreet.client.attested_names import AttestedName
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome
from highstreet.client.round_log import read_rounds
from highstreet.client.vault import Vault
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.membership import current_members
from highstreet.simulations.demo.scene import Scene, Shop
from highstreet.simulations.demo.sceptic import attempt
from highstreet.simulations.demo.stages import customer_who_said
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.audit_record import AttestedCohort, Withdrawal
from highstreet.simulations.report.record import Check

__all__ = ["TakenBack", "cohort_sizes", "compare_attestations", "is_only_gone", "take_back_learning"]

_PURPOSE = "coop_learning"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A yes that was taken back while a training ran.

    Attributes:
        shop: whose customer.
        customer: number in the shop's files.
        closed: rounds that were closed by then.
        at: moment it was written down by, in microseconds since 1970.
    """

    shop: Shop
    customer: str
    closed: int
    at: int


def take_back_learning(scene: Scene, shop: Shop, *, closed: int) -> TakenBack:
    """Let a customer of the shop take back their yes to learning together, now."""
    customer = customer_who_said(shop.files / "customers.csv", f"consent_{_PURPOSE}", "yes")
    scene.commands.run("store", "consent", "record", customer, _PURPOSE, "no", "--home", str(shop.home))
    return TakenBack(shop=shop, customer=customer, closed=closed, at=time.time_ns() // 1000)


def _openings_of(shop: Shop, *, first: int) -> dict[int, AttestationOpening]:
    """Open what a shop attested of each round of its latest training, from round `first` on, by round."""
    home = StoreHome(shop.home)
    programme, sent = _latest(home)
    with Vault.open(home.vault) as vault:
        return {
            number: open_attested(home, vault, _round(programme, number))
            for number in sorted(sent)
            if number >= first
        }


def cohort_sizes(shops: Sequence[Shop], rounds: Sequence[int]) -> tuple[int, ...]:
    """Return how many customers all shops together committed to in these rounds of the latest training.

    Only what opens the attestations tells: the commitments themselves do not say how many there are.
    """
    sizes = [0] * len(rounds)
    for shop in shops:
        home = StoreHome(shop.home)
        programme, sent = _latest(home)
        for place, number in enumerate(rounds):
            if number in sent:
                sizes[place] += len(AttestationBook(home).find(_round(programme, number)).tree.leaves)
    return tuple(sizes)


def _round(programme: str, number: int) -> AttestedName:
    """Name a round of a training, by its number as it travels."""
    return AttestedName(programme_id=programme, kind=AttestedKind.TRAINING, round=number)


def _latest(home: StoreHome) -> tuple[str, set[int]]:
    """Return the latest training that the shop contributed to, and in which rounds it did."""
    notes = [note for note in read_rounds(home) if (note.what, note.outcome) == ("contribution", "sent")]
    latest = notes[-1].programme_id if notes else ""
    return latest, {note.round for note in notes if note.programme_id == latest}


def compare_attestations(scene: Scene, taken: TakenBack | None) -> tuple[Withdrawal | None, list[Check]]:
    """Compare the attestations before and after, have both checked, and try to forge the later one.

    Args:
        scene: of the co-op, which runs no training.
        taken: None: the training was over before anybody could take anything back.
    """
    found: list[_Compared] = []

    def trial() -> tuple[bool, str]:
        if taken is None:
            return False, "the training was over before a yes could be taken back"
        found.append(_compare(scene, taken))
        return found[0].is_right, found[0].words

    def forgery() -> tuple[bool, str]:
        return _forge(scene, found[0].person) if found else (False, "there was nothing to forge")

    checks = [
        attempt(
            "A customer takes back their yes between two rounds of one training",
            "in the cohort attested before, and in none after; both stand up to an auditor",
            trial,
        ),
        attempt(
            "The same customer put back into the later opening, as a control",
            "refused: it does not follow from what was signed",
            forgery,
        ),
    ]
    return (found[0].withdrawal if found else None), checks


def is_only_gone(person: int, *, before: Collection[int], after: Sequence[Collection[int]]) -> bool:
    """Whether one person, and nobody else, was used before and not in the next round, and never again.

    Args:
        person: number of the customer.
        before: whom the last round used before they said no.
        after: whom each round used after, in order.
    """
    return (
        bool(after)
        and set(before) - set(after[0]) == {person}
        and set(after[0]) <= set(before)
        and not any(person in cohort for cohort in after)
    )


def _customers(opening: AttestationOpening) -> set[int]:
    return {entry.customer for entry in opening.cohort}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """Two attestations, whose customer is gone, whether nothing else changed, and that in words."""

    withdrawal: Withdrawal
    person: int
    is_right: bool
    words: str


def _compare(scene: Scene, taken: TakenBack) -> _Compared:
    openings = _openings_of(taken.shop, first=taken.closed - 1)
    later = [number for number, opening in openings.items() if opening.basis.time.now > taken.at]
    if taken.closed - 1 not in openings or not later:
        raise AttestationRecordError("No round was attested before, or none after.")
    with Vault.open(StoreHome(taken.shop.home).vault) as vault:
        person = vault.customer_key(taken.customer)
    before, after = openings[taken.closed - 1], openings[later[0]]
    everybody = sorted(_customers(before) | _customers(after))
    said = [_audited(scene, name, each) for name, each in (("before", before), ("after", after))]
    withdrawal = Withdrawal(
        store=taken.shop.name,
        before=_described(scene, before, everybody, said[0]),
        after=_described(scene, after, everybody, said[1]),
    )
    cohorts = {number: _customers(opening) for number, opening in openings.items()}
    is_right = is_only_gone(
        person, before=cohorts[taken.closed - 1], after=[cohorts[number] for number in later]
    )
    return _Compared(
        withdrawal=withdrawal,
        person=person,
        is_right=is_right,
        words=f"{withdrawal.before.customers} customers attested in round {withdrawal.before.round + 1}, "
        f"{withdrawal.after.customers} in round {withdrawal.after.round + 1} of one training; "
        + ("the one is gone, and nobody else" if is_right else "not just the one is gone"),
    )


def _audited(scene: Scene, name: str, opening: AttestationOpening) -> str:
    """Hand an opening to the auditor's command with the roster's key; return its last sentence."""
    file = _papers(scene) / f"{name}.json"
    file.write_bytes(opening.to_file_bytes())
    said = scene.commands.run("audit", "attestation", str(file), "--key", _roster_key(scene, opening))
    return said.strip().splitlines()[-1]


def _forge(scene: Scene, person: int) -> tuple[bool, str]:
    """Move the customer's leaf from the earlier opening into the later one."""
    before, after = (
        json.loads((_papers(scene) / f"{name}.json").read_text()) for name in ("before", "after")
    )
    after["cohort"] += [entry for entry in before["cohort"] if entry["customer"] == person]
    file = _papers(scene) / "forged.json"
    file.write_text(json.dumps(after), encoding="utf-8")
    said = scene.commands.run("audit", "attestation", str(file), "--key", after["public_key"], expect=1)
    return True, said.strip().splitlines()[0].removeprefix("highstreet:").strip()


def _described(
    scene: Scene, opening: AttestationOpening, everybody: Sequence[int], said: str
) -> AttestedCohort:
    about = attested(opening)
    used = _customers(opening)
    return AttestedCohort(
        round=about.round.round,
        phase=CoopHome.open(scene.coop_home).charter().plan.phases[about.round.round].name,
        attestation_sha256=hashlib.sha256(opening.signed.document).hexdigest(),
        cohort_root=about.use.cohort.hex(),
        consent_entries=opening.basis.position,
        customers=len(used),
        used=tuple(customer in used for customer in everybody),
        said=said,
    )


def _roster_key(scene: Scene, opening: AttestationOpening) -> str:
    """Return the key by which the co-op knows the shop, whatever the paper says."""
    member_id = attested(opening).round.member_id
    with closing(connect(CoopHome.open(scene.coop_home).database)) as connection:
        found = [each for each in current_members(connection) if each.member_id == member_id]
    if not found:
        raise SimulationsError("The attestation is of a store that is no member.")
    return found[0].signing_public_key.hex()


def _papers(scene: Scene) -> Path:
    """The auditor's folder; it ends with the run, as it holds what customers said."""
    folder = scene.work / "papers"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
