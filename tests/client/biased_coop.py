"""A co-op with a rule on bias and two people who can override it, and candidates that keep it or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from published import honest_noise, state_of
from witnesses import fetch_witnessed

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
from highstreet.audit.scorecard import released_scorecard
from highstreet.client.home import StoreHome
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
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
#: Most that the store here takes of a model.
LIMIT_BYTES = 8 << 20
REASON = "Customers with little history are few here, and we asked them."


def gated(charter: Charter) -> Charter:
    """The charter with a bias phase, a rule and people."""
    plan = default_plan(
        noise_multiplier=9.0, gradient_rounds=1, params={"holdout_days": 14}, measured=["history"]
    )
    people = tuple(Overrider(name=name, public_key=key_of(key)) for name, key in KEYS.items())
    return replace(charter, plan=plan, bias_limits=BiasLimits(rules=(RULE,), people=people))


def measured(
    charter: Charter, *, little: float, mark: float = 1.0, stddev: float | None = None, stores: int = 3
) -> SharedState:
    """A whole model; customers with little history have this NDCG, the others .4; the noise is honest."""
    values = {"little/all/ranker": CUSTOMERS * little, "much/all/ranker": CUSTOMERS * 0.4}
    values |= {"little/all/customers": CUSTOMERS, "much/all/customers": CUSTOMERS}
    sums = [values.get(name.removeprefix("history/"), 0.0) for name in bias_coordinates(["history"])]
    noise = honest_noise(charter, "bias", stores=stores) if stddev is None else stddev
    return state_of(charter, mark, stores=stores).updated(
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
    state = measured(home.charter(), little=little, mark=number)
    return Candidate(
        programme_id=programme_id,
        state=state,
        rounds=5,
        participants=3,
        roster_sha256=bytes(32),
        evaluation=released_scorecard(home.charter(), state),
    )


def signed(plain: Override, *, rules: dict[str, str], names: tuple[str, ...] = ("Ann", "Ben")) -> Override:
    """An override with a reason, signed by people of the charter."""
    override = replace(plain, rules=rules, reason=REASON, created="2026-11-22T12:00:00Z")
    for name in names:
        override = override.signed_by(name, KEYS[name])
    return override


def fetch(coop: Any, store: StoreHome) -> int:
    """Have the store take the newest release into use, once others have seen it too; its number."""
    release = fetch_witnessed(coop, store, max_state_bytes=LIMIT_BYTES)
    assert release is not None
    return release.manifest.number
