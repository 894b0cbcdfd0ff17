"""A co-op with a rule on bias and two people who can override it, and candidates that keep it or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from published import state_of

from highstreet.audit.bias_override import Override, key_of
from highstreet.audit.bias_rules import (
    BiasLimits,
    BiasRule,
    Comparison,
    Direction,
    Metric,
    Overrider,
)
from highstreet.audit.charter import Charter
from highstreet.audit.requests import mechanism_of
from highstreet.models.bias_rows import bias_coordinates
from highstreet.models.programme import default_plan
from highstreet.models.state import SharedState
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.releases import Candidate

KEYS = {name: Ed25519PrivateKey.generate() for name in ("Ann", "Ben")}
RULE = BiasRule(
    name="history_alike",
    metric=Metric.NDCG_ALL,
    groups="history",
    comparison=Comparison.OTHERS,
    direction=Direction.AT_LEAST,
    limit=-0.1,
)
#: Of each group: so many that the noise leaves nothing open that is not near the limit.
CUSTOMERS = 50_000.0
REASON = "Customers with little history are few here, and we asked them."


def gated(charter: Charter) -> Charter:
    """The charter with a bias phase, a rule and people."""
    plan = default_plan(
        noise_multiplier=9.0, gradient_rounds=1, params={"holdout_days": 14}, measured=["history"]
    )
    people = tuple(Overrider(name=name, public_key=key_of(key)) for name, key in KEYS.items())
    return replace(charter, plan=plan, bias_limits=BiasLimits(rules=(RULE,), people=people))


def honest_stddev(charter: Charter, *, stores: int = 3) -> float:
    """The noise that the charter's mechanism puts into the bias phase's sums."""
    phase = next(phase for phase in charter.plan.phases if phase.name == "bias")
    return mechanism_of(phase, charter, participants=stores).noise_stddev(contributors=stores)


def measured(
    charter: Charter, *, little: float, mark: float = 1.0, stddev: float | None = None
) -> SharedState:
    """A whole model; customers with little history have this NDCG, the others .4; the noise is honest."""
    values = {"little/all/ranker": CUSTOMERS * little, "much/all/ranker": CUSTOMERS * 0.4}
    values |= {"little/all/customers": CUSTOMERS, "much/all/customers": CUSTOMERS}
    sums = [values.get(name.removeprefix("history/"), 0.0) for name in bias_coordinates(["history"])]
    noise = honest_stddev(charter) if stddev is None else stddev
    return state_of(charter.plan, mark).updated(
        {"bias/sums": np.array(sums), "bias/stddev": np.array([noise])}
    )


def candidate(home: CoopHome, number: int, *, little: float) -> Candidate:
    """What training `number` has come to; the training is put on record."""
    programme_id = f"{number:016x}"
    connection = connect(home.database)
    connection.execute(
        "INSERT OR IGNORE INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
        " VALUES (?, ?, 0, 'finished', ?)",
        (programme_id, number, home.charter().sha256()),
    )
    connection.close()
    return Candidate(
        programme_id=programme_id,
        state=measured(home.charter(), little=little, mark=number),
        rounds=5,
        participants=3,
        roster_sha256=bytes(32),
        evaluation={},
    )


def signed(plain: Override, *, rules: dict[str, str], names: tuple[str, ...] = ("Ann", "Ben")) -> Override:
    """An override with a reason, signed by people of the charter."""
    override = replace(plain, rules=rules, reason=REASON, created="2026-11-22T12:00:00Z")
    for name in names:
        override = override.signed_by(name, KEYS[name])
    return override


Found = Callable[..., Any]
