"""Everything a run left behind, gathered into the record of the report; read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from highstreet.audit.canonical import read_canonical
from highstreet.audit.charter import Charter
from highstreet.audit.claims import claims_of, releases_of
from highstreet.audit.requests import mechanism_of
from highstreet.audit.signing import SignedDocument
from highstreet.audit.weights import whole_contributions
from highstreet.client.home import StoreHome
from highstreet.client.round_log import read_rounds
from highstreet.privacy.claims import Claim as PrivacyClaim
from highstreet.privacy.claims import two_claims
from highstreet.privacy.releases import PrivacyUnit
from highstreet.server.home import CoopHome
from highstreet.simulations.demo import machine, pooled
from highstreet.simulations.demo.answers import count, number, rows, table, text
from highstreet.simulations.demo.evidence import (
    contribution,
    names_in_files,
    rounds_sent,
    sent_contributions,
)
from highstreet.simulations.demo.memory import MemoryUse
from highstreet.simulations.demo.round_sums import round_sums
from highstreet.simulations.demo.scene import Scene, Shop
from highstreet.simulations.demo.stages import COOP_NAME, active_release
from highstreet.simulations.report.audit_record import AuditPart
from highstreet.simulations.report.record import (
    Check,
    Claim,
    Consent,
    Contribution,
    Phase,
    Release,
    RunRecord,
    StoreRecord,
    Suggested,
)

__all__ = ["Findings", "gather", "promised"]

_NEIGHBOURING = "add or remove one"
_MANIFEST_LIMIT_BYTES = 4 << 20


@dataclass(slots=True)
class Findings:
    """What the steps of a run found, by shop name where it is a shop's."""

    index: Mapping[str, object] = field(default_factory=dict)
    statuses: dict[str, Mapping[str, object]] = field(default_factory=dict)
    suggestions: dict[str, Mapping[str, object]] = field(default_factory=dict)
    evaluations: dict[str, Mapping[str, object]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    audit: AuditPart = field(default_factory=AuditPart)


def gather(scene: Scene, findings: Findings, *, began: datetime, peak: MemoryUse, command: str) -> RunRecord:
    """Make the record of a finished run."""
    coop = CoopHome.open(scene.coop_home)
    charter = coop.charter()
    consent = table(findings.index, "consent")
    rates = table(consent, "rates")
    return RunRecord(
        title=f"A co-op of {len(scene.shops)} shops learns together",
        coop_name=COOP_NAME,
        started_at=began.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        duration_seconds=scene.progress.seconds,
        data_note=f"{text(findings.index, 'note').rstrip('.')}. Not real shops, not real people.",
        consent_note=(
            "Nobody was asked: the consent answers are drawn once with a fixed public seed "
            f"({count(consent, 'seed')}), {number(rates, 'consent_coop_learning'):.0%} yes to learning with "
            "the co-op."
        ),
        command=command,
        commit=machine.commit(),
        stores=tuple(_store(shop, findings) for shop in scene.shops),
        pooled=pooled.together(list(findings.evaluations.values())),
        phases=tuple(_phases(charter)),
        claims=promised(charter, stores=len(scene.shops)),
        sums=round_sums(charter, database=coop.database, ledgers=[shop.ledger for shop in scene.shops]),
        contribution=_one_message(scene, charter),
        release=_release(scene.shops[0]),
        audit=findings.audit,
        checks=tuple(findings.checks),
        steps=tuple(scene.progress.steps),
        machine=machine.describe(peak),
    )


def _store(shop: Shop, findings: Findings) -> StoreRecord:
    status = findings.statuses[shop.name]
    answer = findings.evaluations.get(shop.name)
    return StoreRecord(
        name=shop.name,
        customers=count(status, "customers"),
        products=count(status, "products"),
        order_lines=count(status, "lines"),
        consents=tuple(
            Consent(
                purpose=text(each, "purpose"),
                words=text(each, "plain_words"),
                yes=count(each, "granted"),
                no=count(each, "withdrawn"),
                unanswered=count(each, "not_asked") + count(each, "lapsed"),
            )
            for each in rows(status, "consents")
        ),
        claims=_spent(table(status, "budget")),
        rounds=rounds_sent(read_rounds(StoreHome(shop.home))),
        evaluation=pooled.evaluation(answer) if answer is not None else None,
        suggestions=tuple(
            Suggested(title=text(each, "title"), reason=f"{text(each, 'reason')}; {text(each, 'how_sure')}")
            for each in rows(findings.suggestions.get(shop.name, {"items": []}), "items")
        ),
        active_release=active_release(shop),
    )


def _spent(budget: Mapping[str, object]) -> tuple[Claim, Claim]:
    delta = number(budget, "delta")
    return (
        Claim(
            unit="a customer of this shop",
            epsilon=number(budget, "epsilon"),
            delta=delta,
            neighbouring=_NEIGHBOURING,
            limit=number(budget, "limit_epsilon"),
        ),
        Claim(
            unit=text(budget, "person"),
            epsilon=number(budget, "person_epsilon"),
            delta=delta,
            neighbouring=_NEIGHBOURING,
        ),
    )


def promised(charter: Charter, *, stores: int) -> tuple[Claim, ...]:
    """Return the charter's two claims, and the person's for somebody who uses every shop of this co-op."""
    claims, trust = claims_of(charter), _trust(charter.rounds.colluders)
    terms = charter.privacy
    found = []
    for claim in (claims.customer, claims.person):
        is_promise = claim.unit is terms.privacy_unit
        limit = "the limit is what the charter promises" if is_promise else ""
        where = "the worst case over where they shop, all of it in one sum"
        notes = (limit, where if claim.unit is PrivacyUnit.PERSON else "", trust)
        found.append(
            _claim(
                claim.for_whom,
                claim,
                limit=terms.epsilon if is_promise else None,
                note="; ".join(note for note in notes if note),
            )
        )
    if stores > claims.person.k:
        everywhere = two_claims(
            releases_of(charter.plan),
            delta=terms.delta,
            stores_per_person=whole_contributions(terms, stores=stores),
            placement=terms.noise,
        ).person
        found.append(
            _claim(
                f"a person who shops in all {stores} shops",
                everywhere,
                note=f"the worst there is here; {trust}",
            )
        )
    return tuple(found)


def _trust(colluders: int) -> str:
    """Say whom the claims trust: the noise is in the sum, and some of it may be given away."""
    if colluders == 1:
        return "at most 1 shop works with the coordinator"
    return f"at most {colluders} shops work with the coordinator"


def _claim(unit: str, claim: PrivacyClaim, *, note: str, limit: float | None = None) -> Claim:
    return Claim(
        unit=unit,
        epsilon=claim.epsilon,
        delta=claim.delta,
        neighbouring=_NEIGHBOURING,
        limit=limit,
        note=note,
    )


def _phases(charter: Charter) -> list[Phase]:
    return [
        Phase(
            index=phase.index,
            name=phase.name,
            kind=phase.kind.value,
            dimension=phase.dimension,
            clipping_norm=phase.clipping_norm,
            noise_multiplier=phase.noise_multiplier,
            sampling_rate=phase.sampling_rate,
        )
        for phase in charter.plan.phases
    ]


def _one_message(scene: Scene, charter: Charter) -> Contribution | None:
    """The smallest shop's first message: the one that is hardest to hide a customer in."""
    shop, phase = scene.shops[0], charter.plan.phases[0]
    return contribution(
        shop.name,
        sent_contributions(shop.ledger),
        phase=(phase.index, phase.name),
        mechanism=mechanism_of(phase, charter, participants=len(scene.shops)),
        names=names_in_files(_named_files(shop)),
    )


def _named_files(shop: Shop) -> list[Path]:
    return [shop.files / "products.csv", shop.files / "customers.csv"]


def _release(shop: Shop) -> Release | None:
    folders = sorted(path for path in (shop.home / "releases").glob("[0-9]*") if path.is_dir())
    if not folders:
        return None
    signed = SignedDocument.from_file_bytes((folders[-1] / "manifest.json").read_bytes())
    manifest: dict[str, object] = {**read_canonical(signed.document, limit_bytes=_MANIFEST_LIMIT_BYTES)}
    model = table(manifest, "model")
    return Release(
        number=count(manifest, "number"),
        sha256=text(model, "sha256"),
        size_bytes=count(model, "bytes"),
        manifest=manifest,
    )
