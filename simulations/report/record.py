"""What one run of a co-op left behind, as data: everything the report shows and nothing it computes.

`record.json` beside the report holds the same, so that a page can be drawn again, or a figure checked,
without a new run. Epsilons are always pairs with their delta and their neighbouring relation.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from highstreet.simulations.report.audit_record import AuditPart
from highstreet.simulations.report.recorded import Recorded

__all__ = [
    "Check",
    "Claim",
    "Consent",
    "Contribution",
    "Estimate",
    "Evaluation",
    "Gain",
    "Machine",
    "Method",
    "Phase",
    "Release",
    "RoundSent",
    "RoundSum",
    "RunRecord",
    "Step",
    "StoreRecord",
    "Suggested",
]


class Estimate(Recorded):
    """A figure with its 95 % interval; the interval is None where none was computed."""

    value: float
    low: float | None = None
    high: float | None = None


class Method(Recorded):
    """How well one way of ranking predicts what customers bought next, NDCG@10 over the full catalogue.

    Attributes:
        name: the method's name in the code, e.g. `own_recency`.
        label: what a person calls it.
        role: a rule of thumb, the shop's own best model, or the co-op's prior with local training.
        all_items: over all later purchases; None when the shop had none to predict.
        novel: over later purchases of products the customer had not bought before.
    """

    name: str
    label: str
    role: Literal["baseline", "alone", "coop"]
    all_items: Estimate | None = None
    novel: Estimate | None = None


class Gain(Recorded):
    """A paired difference in NDCG@10: the co-op's prior with local training minus another method."""

    against: str
    label: str
    all_items: Estimate | None = None
    novel: Estimate | None = None


class Evaluation(Recorded):
    """What one shop measured inside its own walls; it never leaves them in a real co-op."""

    customers: int
    customers_novel: int
    methods: tuple[Method, ...] = ()
    gains: tuple[Gain, ...] = ()


class Consent(Recorded):
    """How many customers answered what for one purpose; `words` say the purpose as an owner would."""

    purpose: str
    words: str
    yes: int
    no: int
    unanswered: int = 0


class Claim(Recorded):
    """A privacy guarantee, always whole: for whom, which pair, under which neighbouring relation.

    Attributes:
        unit: whose data it protects, in words.
        epsilon: upper bound on the privacy loss.
        delta: chance that the bound fails.
        neighbouring: `add or remove` or `replace`.
        limit: the epsilon the charter or the store allows; None when there is none.
        note: what the claim assumes.
    """

    unit: str
    epsilon: float
    delta: float
    neighbouring: str
    limit: float | None = None
    note: str = ""

    @property
    def shown_epsilon(self) -> str:
        """Epsilon as it is printed: rounded up, never down.

        >>> Claim(unit="x", epsilon=6.701, delta=1e-5, neighbouring="add or remove one").shown_epsilon
        '6.71'
        """
        if not math.isfinite(self.epsilon):
            return "infinity"
        return f"{math.ceil(self.epsilon * 100 - 1e-9) / 100:.2f}"


class RoundSent(Recorded):
    """One message that left a store.

    Attributes:
        round: index of the phase.
        phase: its name.
        what: `contribution`, `inspection`, `agreement`, `share of the sum`, or `refusal` of a message that
            nobody could read.
        outcome: `sent`, or why it was refused.
        reply_bytes, request_bytes: sizes of what left, and of what had come.
        sha256: of what left, in hex.
        noise: what of the noise it carries, in words.
    """

    round: int
    phase: str
    what: str
    outcome: str
    reply_bytes: int
    request_bytes: int = 0
    sha256: str = ""
    noise: str = ""


class Suggested(Recorded):
    """One suggestion a shop makes to one of its customers."""

    title: str
    reason: str


class StoreRecord(Recorded):
    """One shop of the run. Names and titles come from files: the page escapes them."""

    name: str
    customers: int
    products: int
    order_lines: int
    consents: tuple[Consent, ...] = ()
    claims: tuple[Claim, ...] = ()
    rounds: tuple[RoundSent, ...] = ()
    evaluation: Evaluation | None = None
    suggestions: tuple[Suggested, ...] = ()
    active_release: int = 0


class Phase(Recorded):
    """One exchange of the programme as the charter describes it."""

    index: int
    name: str
    kind: str
    dimension: int
    clipping_norm: float
    noise_multiplier: float
    sampling_rate: float = 1.0


class RoundSum(Recorded):
    """The secure sum of one round: who was in it, who opened it, how much noise it carries.

    Attributes:
        round, phase: which.
        contributors: shops in the sum.
        floor, colluders: of the charter: fewest contributors, and members who may work with the coordinator.
        committee, threshold: members who hold shares of it, and how many must agree and answer.
        agreed: shops whose ledger holds an agreement to a set in this round.
        sets: different sets among those; 1, or two sums could have been compared.
        set_sha256: the set the coordinator announced, in hex.
        recomputed: size of the set of contributions in the shops' own ledgers that has this hash; 0: none.
        answers: committee members whose answers opened or checked it.
        is_checked: whether a single wrong answer would have been noticed.
        noise_stddev: of the noise in the sum, per coordinate, in the unit of the update.
        noise_stddev_per_shop: what it would be if every shop hid its own part by itself.
    """

    round: int
    phase: str
    contributors: int
    floor: int
    colluders: int
    committee: int
    threshold: int
    agreed: int
    sets: int
    set_sha256: str
    recomputed: int
    answers: int
    is_checked: bool
    noise_stddev: float
    noise_stddev_per_shop: float

    @property
    def is_in_order(self) -> bool:
        """Whether enough members agreed to one set, and it is one of contributions the shops really sent."""
        return (
            self.sets == 1
            and self.threshold <= self.agreed <= self.committee
            and self.floor <= self.contributors == self.recomputed
        )

    @property
    def noise_factor(self) -> float:
        """Noise in the sum over what is promised: shares of all against those of the floor less colluders.

        >>> round(math.sqrt(6 / (4 - 1)), 2)
        1.41
        """
        return math.sqrt(self.contributors / (self.floor - self.colluders))

    @property
    def noise_factor_per_shop(self) -> float:
        """The same if every shop added the whole noise to its own part."""
        return math.sqrt(self.contributors)


class Contribution(Recorded):
    """A copy of one message as it left a store, to look at.

    Attributes:
        store: the shop that sent it.
        round: its number in the programme.
        phase: its name.
        reply_bytes: size of the whole signed reply.
        dimension: number of integers shared out in it.
        boxes: size of each sealed box, one for each committee member.
        shown: the first bytes of a largest box, as they left.
        grid_step: value of one integer step, in the unit of the update.
        share_stddev_steps: standard deviation of this shop's share of the noise, in grid steps.
        names_searched: how many of that shop's product and customer codes were looked for in the bytes.
        names_found: how many of them were there.
    """

    store: str
    round: int
    phase: str
    reply_bytes: int
    dimension: int
    boxes: tuple[int, ...]
    shown: tuple[int, ...]
    grid_step: float
    share_stddev_steps: float
    names_searched: int
    names_found: int


class Release(Recorded):
    """What the co-op released and signed."""

    number: int
    sha256: str
    size_bytes: int
    manifest: dict[str, object] = Field(default_factory=dict)


class Check(Recorded):
    """One thing a sceptic would try, what ought to happen and what did."""

    title: str
    expected: str
    happened: str
    passed: bool


class Step(Recorded):
    """One step of the run on the clock that starts with it."""

    name: str
    started_seconds: float
    seconds: float


class Machine(Recorded):
    """Where it ran, and the most memory all its processes held at one moment."""

    processor: str
    cores: int
    memory_bytes: int
    system: str
    versions: dict[str, str] = Field(default_factory=dict)
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    peak_processes: int = 0
    peak_step: str = ""


class RunRecord(Recorded):
    """A whole run; `format_version` changes when a field changes its meaning."""

    format_version: Literal[2] = 2
    title: str
    coop_name: str
    started_at: str
    duration_seconds: float
    data_note: str
    consent_note: str
    command: str = "highstreet demo"
    commit: str = ""
    stores: tuple[StoreRecord, ...]
    pooled: Evaluation | None = None
    phases: tuple[Phase, ...] = ()
    claims: tuple[Claim, ...] = ()
    sums: tuple[RoundSum, ...] = ()
    contribution: Contribution | None = None
    release: Release | None = None
    audit: AuditPart | None = None
    checks: tuple[Check, ...] = ()
    steps: tuple[Step, ...] = ()
    machine: Machine
