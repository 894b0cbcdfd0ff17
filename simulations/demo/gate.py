"""The trial of the bias gate: a second, small co-op that trains on one age band first, and then on everybody.

Its customers are made up (`age_shops`), its processes are as real as the others. In the first training only
customers of one age have agreed by the time the model is made; the others agree before it is measured, so
that the measurement sees whom it fails. The second training is of everybody. One charter judges both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

from highstreet.audit.bias_gate import Outcome, Verdict
from highstreet.audit.bias_rules import BiasLimits, BiasRule
from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import to_toml
from highstreet.server.candidates import kept_back
from highstreet.server.database import connect
from highstreet.server.errors import PublishError
from highstreet.server.home import CoopHome
from highstreet.server.releases import all_manifests
from highstreet.simulations.demo import stages
from highstreet.simulations.demo.age_shops import AGES, DATA_NOTE, LATER, write_age_shops
from highstreet.simulations.demo.attested import cohort_sizes
from highstreet.simulations.demo.commands import CommandFailedError, in_parallel
from highstreet.simulations.demo.evidence import sent_contributions
from highstreet.simulations.demo.gate_charter import GATE_COOP, TRAININGS, gate_charter
from highstreet.simulations.demo.scene import Scene, Shop
from highstreet.simulations.report.audit_record import Candidate, GateTrial, JudgedGroup, JudgedRule
from highstreet.simulations.report.record import Check

__all__ = ["OF_A_BAND", "checks_of", "found", "open_shops", "train_fairly", "train_on_one_band", "trial"]

#: Customers of each age in each shop.
OF_A_BAND = 160
_SHOPS = 3
_ROUND_LIMIT_SECONDS = 300.0
_ONE = ("Trained on customers of one age band only", "one band")
_ALL = ("Trained on customers of every age band", "every band")


def found(scene: Scene) -> None:
    """Write the shops' files, make the co-op on its charter, and start its coordinator."""
    write_age_shops(scene.files, shops=_SHOPS, of_a_band=OF_A_BAND)
    scene.read_shops()
    charter = gate_charter(today=datetime.now(UTC).date(), clients_per_store=OF_A_BAND * len(AGES))
    file = scene.files / "charter.toml"
    file.write_text(to_toml(charter), encoding="utf-8")
    stages.found_coop(scene, charter=file)
    stages.run_coop(scene)


def open_shops(scene: Scene) -> None:
    """Let the shops join, import their files, start and vouch for each other."""
    stages.join(scene)
    stages.import_files(scene)
    stages.run_stores(scene)
    stages.vouch(scene)


def train_on_one_band(scene: Scene) -> Candidate:
    """Train while one age band alone has agreed; let the others agree before the model is measured.

    One shop shuts its computer down in between, so that the round waits for the answers to be written down.
    """
    last = max(phase.index for phase in _charter(scene).plan.phases if phase.name == "cooccurrence")
    shops, closed_for_lunch = scene.shops, scene.shops[-1]
    with ThreadPoolExecutor(max_workers=1) as pool:
        training = pool.submit(_train, scene)
        scene.wait_until(
            lambda: training.done() or all(_has_contributed(shop, last) for shop in shops),
            what="The rounds that make the model",
            limit_seconds=_ROUND_LIMIT_SECONDS,
        )
        scene.progress.detail("everybody else is asked, and agrees")
        scene.stop_store(closed_for_lunch)
        in_parallel(lambda shop: _everybody_agrees(scene, shop), shops)
        scene.start_store(closed_for_lunch)
        said = training.result()
    return _candidate(scene, _ONE, said)


def train_fairly(scene: Scene) -> Candidate:
    """Train on everybody; wait until the release is in use, where there is one."""
    candidate = _candidate(scene, _ALL, _train(scene))
    if candidate.is_released:
        stages.wait_for_release(scene)
    return candidate


def trial(scene: Scene, candidates: Sequence[Candidate]) -> GateTrial:
    """Describe the whole trial."""
    charter = _charter(scene)
    terms = scene.commands.run("coop", "charter", "check", "--home", str(scene.coop_home)).splitlines()
    begin = next((place for place, line in enumerate(terms) if "rules on bias" in line), len(terms))
    return GateTrial(
        coop_name=GATE_COOP,
        data_note=DATA_NOTE,
        shops=len(scene.shops),
        customers=len(scene.shops) * len(AGES) * OF_A_BAND,
        promise=f"epsilon {charter.privacy.epsilon:g}, delta {charter.privacy.delta:g} for a customer of one "
        f"shop in {charter.privacy.period_days} days, shared by {TRAININGS} trainings",
        terms=tuple(line.strip() for line in terms[begin:]),
        candidates=tuple(candidates),
        in_use=sum(stages.active_release(shop) == 1 for shop in scene.shops),
    )


def checks_of(found: GateTrial) -> list[Check]:
    """Hold the trial to what ought to happen."""
    skewed, fair = found.candidates
    return [
        Check(
            title="A model trained on one age band, at the gate of a charter that measures age bands",
            expected="a rule fails, and nothing is released",
            happened=_what_became(skewed),
            passed=_is_skewed(skewed, found)
            and not skewed.is_released
            and Outcome.FAIL.value in {rule.outcome for rule in skewed.rules},
        ),
        Check(
            title="A model trained on every age band, at the same gate",
            expected="every rule passes, and every shop uses it",
            happened=f"{_what_became(fair)}; in use at {found.in_use} of {found.shops} shops",
            passed=fair.is_released
            and {rule.outcome for rule in fair.rules} == {Outcome.PASS.value}
            and fair.trained_on == fair.measured_on == found.customers
            and found.in_use == found.shops,
        ),
    ]


def _is_skewed(candidate: Candidate, found: GateTrial) -> bool:
    """Whether the attestations say what the trial is about: few made the model, all were measured."""
    return (
        candidate.trained_on == found.shops * OF_A_BAND < candidate.measured_on
        and candidate.measured_on == found.customers
    )


def _what_became(candidate: Candidate) -> str:
    of_groups = [
        f"{rule.name} ({rule.outcome}): "
        + ", ".join(f"{each.group} {each.value:+.2f}" for each in rule.groups if each.outcome == rule.outcome)
        for rule in candidate.rules
    ]
    made = f"made of {candidate.trained_on:,} customers, measured on {candidate.measured_on:,}"
    return f"{made}; {'; '.join(of_groups) or 'nothing was judged'}; " + (
        "released" if candidate.is_released else "kept back"
    )


def _train(scene: Scene) -> str:
    """Ask for a training and wait for its end; return why nothing was released, empty when something was."""
    try:
        stages.train(scene)
    except CommandFailedError as error:
        if error.status != 1:
            raise
        return error.output.strip()
    return ""


def _has_contributed(shop: Shop, number: int) -> bool:
    return shop.ledger.exists() and any(each.round == number for each in sent_contributions(shop.ledger))


def _everybody_agrees(scene: Scene, shop: Shop) -> None:
    """Import the customers with their answers, as a shop does that has asked them."""
    scene.commands.run("store", "import", str(shop.files / LATER), "--yes", "--home", str(shop.home))


def _candidate(scene: Scene, how: tuple[str, str], said: str) -> Candidate:
    home, charter = CoopHome.open(scene.coop_home), _charter(scene)
    trained_on, measured_on = cohort_sizes(scene.shops, (0, len(charter.plan.phases) - 1))
    try:
        verdict = kept_back(home).report.verdict
    except PublishError:
        verdict = None
    with closing(connect(home.database)) as connection:
        manifests = all_manifests(connection)
    if verdict is None and manifests and manifests[-1].bias is not None:
        verdict = manifests[-1].bias.verdict
    return Candidate(
        title=how[0],
        short=how[1],
        trained_on=trained_on,
        measured_on=measured_on,
        rules=() if verdict is None else _rules(charter.bias_limits, verdict),
        is_released=not said and bool(manifests),
        said=_why(said),
    )


def _rules(limits: BiasLimits, verdict: Verdict) -> tuple[JudgedRule, ...]:
    return tuple(
        JudgedRule(
            name=rule.name,
            words=_in_words(rule),
            limit=rule.limit,
            outcome=finding.outcome.value,
            groups=tuple(
                JudgedGroup(
                    group=_group_in_words(cell.cell),
                    outcome=cell.outcome.value,
                    value=cell.value,
                    low=cell.low,
                    high=cell.high,
                )
                for cell in finding.cells
            ),
        )
        for rule, finding in zip(limits.rules, verdict.findings, strict=True)
    )


def _in_words(rule: BiasRule) -> str:
    less = "" if rule.comparison.value == "nothing" else f" less that of {rule.comparison.value}"
    return (
        f"{rule.metric.value}{less} {rule.direction.value.replace('_', ' ')} {rule.limit:g}, by {rule.groups}"
    )


def _why(said: str) -> str:
    """Return the first sentence after what failed, of what a command said; the last line where there is none.

    >>> _why("1 of 2: x highstreet: The training failed: It is kept back: a (fail). See more: y.")
    'It is kept back: a (fail).'
    """
    found = re.search(r"The training failed: (.*?\.)(\s|$)", said)
    return found[1] if found else (said.splitlines() or [""])[-1].strip()


def _group_in_words(cell: str) -> str:
    """Write a group's name, merged ones with commas between.

    >>> _group_in_words("under_25+25_34")
    'under 25, 25 to 34'
    """
    return re.sub(r"(\d)_(\d)", r"\1 to \2", cell).replace("+", ", ").replace("_", " ")


def _charter(scene: Scene) -> Charter:
    return CoopHome.open(scene.coop_home).charter()
