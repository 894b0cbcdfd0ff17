"""The coordinator's arithmetic: stores' integers are added up; their sum moves the state one phase on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.requests import mechanism_of
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import apply_sum
from highstreet.models.state import SharedState
from highstreet.server.errors import OddReplyError

__all__ = ["close_phase", "decode_values", "encode_values"]

_WIRE = np.dtype("<i4")


def encode_values(integers: NDArray[np.int64]) -> bytes:
    """Return integers as they travel.

    A value beyond 32 bits is cut to the nearest (after the noise: harmless).
    """
    bounds = np.iinfo(_WIRE)
    return np.clip(integers, bounds.min, bounds.max).astype(_WIRE).tobytes()


def decode_values(values: bytes, *, dimension: int) -> NDArray[np.int64]:
    """Return the integers of a reply.

    Raises:
        OddReplyError: not `dimension` of them.
    """
    if len(values) != dimension * _WIRE.itemsize:
        raise OddReplyError("dimension")
    return np.frombuffer(values, dtype=_WIRE).astype(np.int64)


def close_phase(
    plan: ModelPlan, phase: PhasePlan, state: SharedState, updates: Sequence[NDArray[np.int64]]
) -> SharedState:
    """Return the state after a phase.

    Integers are added exactly, so the order of the stores does not matter and a phase closed again after a
    crash gives the same state.

    Args:
        plan: the programme.
        phase: the phase that ends.
        state: the state the stores computed from.
        updates: one vector per contributing store, in grid steps, each with its own full noise.
    """
    mechanism = mechanism_of(phase)
    total: NDArray[np.int64] = np.add.reduce(np.stack(updates), axis=0, dtype=np.int64)
    stores = len(updates)
    return apply_sum(
        plan,
        phase,
        state,
        mechanism.decode(total),
        stores=stores,
        noise_stddev=mechanism.noise_stddev * math.sqrt(stores),
    )
