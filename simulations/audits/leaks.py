"""Leak tests of the bench: what is read from one store's bytes, without noise, noisy, and in the sum."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from highstreet.privacy.noise import NoiseSource, SecureNoise
from highstreet.simulations.audits.findings import Reading
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA, claimed_plan
from highstreet.simulations.audits.secure_sums import share_of_a_colluder
from highstreet.simulations.audits.sizes import CLAIMS, Size
from highstreet.simulations.audits.transcripts import (
    GROUP,
    Attack,
    Transcript,
    attribute_attack,
    item_attack,
    noisy_integers,
    plain_integers,
)
from highstreet.simulations.conditions import DELTA

__all__ = ["readings"]

Step = Callable[[str], None]


def readings(size: Size, *, seed: int, step: Step, source: NoiseSource | None = None) -> Iterator[Reading]:
    """Run the leak tests on transcripts: without noise, as sent today, and in the secure sum."""
    noise = source or SecureNoise()
    kinds = [(math.inf, plain_integers())]
    kinds += [(claimed, noisy_integers()) for claimed in CLAIMS]
    kinds += [(claimed, share_of_a_colluder(size.stores)) for claimed in CLAIMS]
    for claimed, transcript in kinds:
        level = claimed if math.isfinite(claimed) else CLAIMS[-1]
        step(f"leak tests: {transcript.name}, epsilon {claimed:g}")
        yield _items(size, level, claimed, transcript, seed=seed, source=noise)
        yield _attribute(size, level, claimed, transcript, seed=seed, source=noise)


def _items(
    size: Size, level: float, claimed: float, transcript: Transcript, *, seed: int, source: NoiseSource
) -> Reading:
    started = time.monotonic()
    plan = claimed_plan(level, delta=DELTA, schema=size.schema, params=size.params)
    customers = 20 if size.schema is not SMALL_SCHEMA else 4
    attack = item_attack(
        plan, transcript, customers=customers, rounds=size.item_rounds, seed=seed, source=source
    )
    what = f"which of {GROUP} rare products a customer bought"
    return _reading(what, transcript, claimed, attack, time.monotonic() - started)


def _attribute(
    size: Size, level: float, claimed: float, transcript: Transcript, *, seed: int, source: NoiseSource
) -> Reading:
    started = time.monotonic()
    plan = claimed_plan(level, delta=DELTA, schema=SMALL_SCHEMA, params=SMALL_PARAMS)
    attack = attribute_attack(plan, transcript, rounds=size.attribute_rounds, seed=seed, source=source)
    what = "a made-up attribute of a customer, all others known"
    return _reading(what, transcript, claimed, attack, time.monotonic() - started)


def _reading(what: str, transcript: Transcript, claimed: float, attack: Attack, seconds: float) -> Reading:
    low, high = attack.interval()
    return Reading(
        what=what,
        transcript=transcript.name,
        claimed=claimed,
        accuracy=attack.accuracy,
        low=low,
        high=high,
        chance=attack.chance,
        limit=attack.limit,
        guesses=attack.guesses,
        seconds=seconds,
    )
