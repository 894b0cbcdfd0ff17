"""A small made-up run for the tests of report and summary: no figure in it was measured."""

from __future__ import annotations

from highstreet.simulations.report.audit_record import (
    AttestedCohort,
    AuditPart,
    Candidate,
    GateTrial,
    JudgedGroup,
    JudgedRule,
    LogRead,
    Statement,
    Withdrawal,
)
from highstreet.simulations.report.record import (
    Check,
    Claim,
    Consent,
    Contribution,
    Estimate,
    Evaluation,
    Gain,
    Machine,
    Method,
    Phase,
    Release,
    RoundSent,
    RoundSum,
    RunRecord,
    Step,
    StoreRecord,
    Suggested,
)

__all__ = ["CLAIM", "made_up_audit", "made_up_run"]

CLAIM = Claim(
    unit="a customer of one shop",
    epsilon=2.0,
    delta=1e-5,
    neighbouring="add or remove one",
    limit=3.0,
    note="—",
)


def _evaluation(*, shift: float = 0.0) -> Evaluation:
    """Figures of one shop; `shift` moves the co-op's."""
    return Evaluation(
        customers=80,
        customers_novel=70,
        methods=(
            Method(
                name="store_popularity",
                label="shop's best-sellers",
                role="baseline",
                all_items=Estimate(value=0.16, low=0.14, high=0.18),
                novel=Estimate(value=0.055, low=0.045, high=0.065),
            ),
            Method(
                name="alone",
                label="the shop alone",
                role="alone",
                all_items=Estimate(value=0.31, low=0.28, high=0.34),
                novel=Estimate(value=0.059, low=0.05, high=0.068),
            ),
            Method(
                name="coop",
                label="co-op + own training",
                role="coop",
                all_items=Estimate(value=0.32 + shift, low=0.29 + shift, high=0.35 + shift),
                novel=Estimate(value=0.062 + shift, low=0.053 + shift, high=0.071 + shift),
            ),
        ),
        gains=(
            Gain(
                against="alone",
                label="the shop alone",
                all_items=Estimate(value=0.01 + shift, low=-0.002 + shift, high=0.022 + shift),
                novel=Estimate(value=0.003 + shift, low=0.001 + shift, high=0.005 + shift),
            ),
            Gain(
                against="store_popularity",
                label="the shop's best-sellers",
                novel=Estimate(value=0.007 + shift, low=0.001 + shift, high=0.013 + shift),
            ),
        ),
    )


def _store(name: str, customers: int, *, shift: float = 0.0) -> StoreRecord:
    """One shop with a bit of everything."""
    return StoreRecord(
        name=name,
        customers=customers,
        products=1200,
        order_lines=40 * customers,
        consents=(
            Consent(
                purpose="coop_learning",
                words="learning together",
                yes=int(customers * 0.85),
                no=customers - int(customers * 0.85),
            ),
        ),
        claims=(CLAIM,),
        rounds=tuple(
            RoundSent(
                round=index,
                phase=phase,
                what=what,
                outcome="sent",
                reply_bytes=4096 + size,
                sha256=sha256,
                noise=noise,
            )
            for index, phase in enumerate(("popularity", "ranker"))
            for what, size, sha256, noise in (
                ("contribution", 12_000, "cd" * 32, "yes: this shop's share of it"),
                ("agreement", 200, "", "no data in it"),
                ("share of the sum", 4_000, "", "yes: the shares of all contributors"),
            )
        ),
        evaluation=_evaluation(shift=shift),
        suggestions=(Suggested(title="Oat biscuits", reason="you often buy biscuits"),),
        active_release=1,
    )


def _cohort(number: int, phase: str, *, gone: int | None) -> AttestedCohort:
    used = tuple(place != gone for place in range(70))
    return AttestedCohort(
        round=number,
        phase=phase,
        attestation_sha256="a1" * 32,
        cohort_root="b2" * 32,
        consent_entries=140 + (gone is not None),
        customers=sum(used),
        used=used,
        said="Every customer who could be checked had standing consent.",
    )


def _candidate(
    title: str, short: str, *, trained_on: int, young: JudgedGroup, is_released: bool
) -> Candidate:
    old = JudgedGroup(group="65 plus", outcome="pass", value=0.05, low=-0.03, high=0.13)
    rule = JudgedRule(
        name="ages_alike",
        words="ndcg_at_10_novel less that of others at least -0.25, by age_band",
        limit=-0.25,
        outcome=young.outcome,
        groups=(young, old),
    )
    return Candidate(
        title=title,
        short=short,
        trained_on=trained_on,
        measured_on=2880,
        rules=(rule,),
        is_released=is_released,
        said="released" if is_released else "The rules on bias keep it back: ages_alike (fail).",
    )


def made_up_audit() -> AuditPart:
    """What the audit module did in a run in which all went as it ought to."""
    failed = JudgedGroup(group="under 25", outcome="fail", value=-0.62, low=-0.7, high=-0.54)
    passed = JudgedGroup(group="under 25", outcome="pass", value=-0.02, low=-0.1, high=0.06)
    return AuditPart(
        withdrawal=Withdrawal(
            store="Mill Lane",
            before=_cohort(1, "cooccurrence", gone=None),
            after=_cohort(2, "curvature", gone=11),
        ),
        gate=GateTrial(
            coop_name="Trial of the gate",
            data_note="Made up.",
            shops=3,
            customers=2880,
            promise="epsilon 3",
            terms=("rules on bias: 1", "ages_alike: takes about 150 customers in each group"),
            candidates=(
                _candidate("One band only", "one band", trained_on=480, young=failed, is_released=False),
                _candidate("Every band", "every band", trained_on=2880, young=passed, is_released=True),
            ),
            in_use=3,
        ),
        statements=(
            Statement(
                title="statement about the release",
                page="statements/coop/statement-1.html",
                file="statements/coop/statement-1.json",
                sha256="c3" * 32,
                said=("Release 1.", "All it says follows."),
            ),
        ),
        log=LogRead(
            owner="the coordinator",
            entries=90,
            witnesses=2,
            kinds=(("release", 1), ("round", 89)),
            said="Everything fits.",
        ),
    )


def made_up_run(*, names: tuple[str, ...] = ("Corner shop", "Mill Lane"), shift: float = 0.0) -> RunRecord:
    """A whole run with shops of the given names."""
    return RunRecord(
        title="A co-op of shops learns together",
        coop_name="Sample co-op",
        started_at="2026-11-22 12:00 UTC",
        duration_seconds=201.0,
        data_note="Made up.",
        consent_note="Consent answers are drawn.",
        stores=tuple(_store(name, 20 + 60 * index, shift=shift) for index, name in enumerate(names)),
        pooled=_evaluation(shift=shift),
        phases=(
            Phase(
                index=0,
                name="popularity",
                kind="statistics",
                dimension=1024,
                clipping_norm=1.0,
                noise_multiplier=4.0,
            ),
        ),
        claims=(
            CLAIM,
            CLAIM.model_copy(
                update={"unit": "a person who shops in up to 6 shops", "epsilon": 9.5, "limit": None}
            ),
        ),
        sums=tuple(
            RoundSum(
                round=index,
                phase=phase,
                contributors=6,
                floor=4,
                colluders=1,
                committee=6,
                threshold=4,
                agreed=6,
                sets=1,
                set_sha256="ef" * 32,
                recomputed=6,
                answers=6,
                is_checked=True,
                noise_stddev=1.25,
                noise_stddev_per_shop=2.165,
            )
            for index, phase in enumerate(("popularity", "ranker"))
        ),
        contribution=Contribution(
            store=names[0],
            round=0,
            phase="popularity",
            reply_bytes=4296,
            dimension=1024,
            boxes=(48, 48, 48, 4112, 4112, 4112),
            shown=tuple((index * 7919) % 256 for index in range(480)),
            grid_step=0.001,
            share_stddev_steps=128.0,
            names_searched=2400,
            names_found=0,
        ),
        release=Release(number=1, sha256="ab" * 32, size_bytes=123456, manifest={"number": 1, "stores": 6}),
        audit=made_up_audit(),
        checks=(
            Check(
                title="A release with one byte changed", expected="refused", happened="refused", passed=True
            ),
        ),
        steps=(
            Step(name="Write the shops' files", started_seconds=0.0, seconds=5.5),
            Step(name="Train", started_seconds=5.5, seconds=100.0),
        ),
        machine=Machine(
            processor="test",
            cores=2,
            memory_bytes=8 << 30,
            system="Linux",
            versions={"highstreet": "0.1.0"},
            peak_rss_bytes=5 << 30,
            peak_processes=20,
        ),
    )
