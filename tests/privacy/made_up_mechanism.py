"""A mechanism of a small co-op, any mechanism that can be built, and the field its integers live in."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.shared_noise import DistributedMechanism

PRIME = 2**31 - 1
HALF = (PRIME - 1) // 2


def mechanism(**changes):
    usual = {
        "dimension": 50,
        "clipping_norm": 1.5,
        "noise_multiplier": 1.5,
        "floor": 4,
        "colluders": 1,
        "stores": 20,
        "clients_per_store": 500,
    }
    return DistributedMechanism(**{**usual, **changes})


@st.composite
def mechanisms(draw):
    floor = draw(st.integers(1, 20))
    try:
        return DistributedMechanism(
            dimension=draw(st.sampled_from([1, 3, 30, 465, 10_000, 100_000, 1 << 24])),
            clipping_norm=draw(st.floats(1e-6, 1e6)),
            noise_multiplier=draw(st.floats(0.05, 64.0)),
            floor=floor,
            colluders=draw(st.integers(0, floor - 1)),
            stores=draw(st.integers(floor, 200)),
            clients_per_store=draw(st.integers(1, 5000)),
            shops_per_person=draw(st.integers(1, floor)),
        )
    except InvalidReleaseError:
        assume(False)
