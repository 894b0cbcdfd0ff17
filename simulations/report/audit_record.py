"""What the audit module did in a run, as data: a withdrawal, two candidates at the gate, papers."""

from __future__ import annotations

from typing import Literal

from highstreet.simulations.report.recorded import Recorded

__all__ = [
    "AttestedCohort",
    "AuditPart",
    "Candidate",
    "GateTrial",
    "JudgedGroup",
    "JudgedRule",
    "LogRead",
    "Statement",
    "Withdrawal",
]


Outcome = Literal["pass", "fail", "undetermined", "not_applicable"]


class AttestedCohort(Recorded):
    """One round's attestation, opened for an auditor; nothing here names anybody.

    Attributes:
        round: index of the phase.
        phase: its name.
        attestation_sha256: of what was signed and sent beside the contribution, in hex.
        cohort_root: the commitment to the cohort in it, in hex.
        consent_entries: entries of the consent log it was computed under.
        customers: how many were used.
        used: for each customer of either round that is compared, in the order of their numbers, whether used.
        said: last sentence of `highstreet audit attestation` on the opening.
    """

    round: int
    phase: str
    attestation_sha256: str
    cohort_root: str
    consent_entries: int
    customers: int
    used: tuple[bool, ...]
    said: str


class Withdrawal(Recorded):
    """A customer who took back a yes between two rounds of one training.

    Attributes:
        store: their shop.
        before: the last round attested before they said so.
        after: the first round attested after it was written down.
    """

    store: str
    before: AttestedCohort
    after: AttestedCohort


class JudgedGroup(Recorded):
    """What a rule found of one group of customers; value and interval as in the manifest."""

    group: str
    outcome: Outcome
    value: float
    low: float
    high: float


class JudgedRule(Recorded):
    """One rule of the charter and what became of it.

    Attributes:
        name: within the charter.
        words: what it demands.
        limit: of the value.
        outcome: of all groups together.
        groups: each one judged.
    """

    name: str
    words: str
    limit: float
    outcome: Outcome
    groups: tuple[JudgedGroup, ...] = ()


class Candidate(Recorded):
    """A model at the gate.

    Attributes:
        title, short: how it was trained, in a sentence and in two words.
        trained_on: customers of the first round's cohort, over all shops, from its attestations.
        measured_on: the same of the round that measured bias.
        rules: the verdict.
        is_released: whether it went out.
        said: what the command that asked for the training said last.
    """

    title: str
    short: str
    trained_on: int
    measured_on: int
    rules: tuple[JudgedRule, ...]
    is_released: bool
    said: str


class GateTrial(Recorded):
    """Two candidates of one co-op, judged by one charter.

    Attributes:
        coop_name: of the co-op.
        data_note: where its customers come from.
        shops, customers: how many.
        promise: the charter's epsilon and delta for its period, and how many trainings share it, in words.
        terms: what `highstreet coop charter check` says of its rules, a line each.
        candidates: in the order they were trained.
        in_use: shops that use the released one.
    """

    coop_name: str
    data_note: str
    shops: int
    customers: int
    promise: str
    terms: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    in_use: int


class Statement(Recorded):
    """A signed statement about a release, beside the report.

    Attributes:
        title: about which release of which co-op.
        page, file: where the page to read and the signed file are, from the report.
        sha256: of the signed file, in hex.
        said: what `highstreet audit statement` said of it, a line each.
    """

    title: str
    page: str
    file: str
    sha256: str
    said: tuple[str, ...]


class LogRead(Recorded):
    """What `highstreet audit verify` said of a coordinator's log.

    Attributes:
        owner: whose log.
        entries: how many it holds.
        witnesses: how many witnesses' checkpoints it was held against.
        kinds: kind of entry and how many there are, in alphabetical order.
        said: its last sentence.
    """

    owner: str
    entries: int
    witnesses: int
    kinds: tuple[tuple[str, int], ...] = ()
    said: str


class AuditPart(Recorded):
    """All of it; what a run did not come to is missing."""

    withdrawal: Withdrawal | None = None
    gate: GateTrial | None = None
    statements: tuple[Statement, ...] = ()
    log: LogRead | None = None
