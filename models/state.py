"""The shared state: named arrays that travel down to stores in a phase and make up a release."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from highstreet.models.errors import InvalidStateError
from highstreet.models.state_header import check_header

__all__ = ["Array", "SharedState", "StateLimits"]

Array = NDArray[np.floating]
_NAME = re.compile(r"[a-z0-9_./]{1,64}")
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLimits:
    """What a received state may be at most; checked before anything is allocated."""

    payload_bytes: int = 32 << 20
    arrays: int = 128
    dimensions: int = 3


class SharedState(Mapping[str, Array]):
    """An immutable mapping from names to finite float32 or float64 arrays.

    Two states are equal when their bytes are; `sha256` names a state.
    """

    __slots__ = ("_arrays",)

    def __init__(self, arrays: Mapping[str, Array] | None = None) -> None:
        checked: dict[str, Array] = {}
        for name in sorted(arrays or {}):
            checked[name] = _checked(name, (arrays or {})[name])
        self._arrays = checked

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}{list(array.shape)}" for name, array in self._arrays.items())
        return f"SharedState({shapes})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SharedState) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.sha256())

    def updated(self, arrays: Mapping[str, Array]) -> SharedState:
        """Return a new state with these arrays added or replaced."""
        return SharedState({**self._arrays, **arrays})

    def to_bytes(self) -> bytes:
        """Return the state as safetensors, names in sorted order, the same bytes for the same arrays."""
        return bytes(save({name: np.ascontiguousarray(array) for name, array in self._arrays.items()}))

    def sha256(self) -> str:
        """Return the hex SHA-256 of the bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes, limits: StateLimits | None = None) -> SharedState:
        """Read a state received from outside.

        Raises:
            InvalidStateError: too large, a header over its limit, too many arrays, not safetensors, a foreign
                dtype, name or shape, or a value that is not finite. All but the last before a number is read.
        """
        bounds = limits or StateLimits()
        if len(data) > bounds.payload_bytes:
            raise InvalidStateError(f"A shared state of {len(data)} bytes is larger than allowed.")
        for name in check_header(data, arrays=bounds.arrays, dimensions=bounds.dimensions):
            _check_name(name)
        try:
            arrays = load(data)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InvalidStateError("A shared state is not a valid safetensors file.") from error
        return cls(arrays)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidStateError("A shared state holds an array under a name that is not allowed.")


def _checked(name: str, array: Array) -> Array:
    _check_name(name)
    if array.dtype not in _DTYPES:
        raise InvalidStateError(f"The shared array {name} has dtype {array.dtype}, not float32 or float64.")
    if not np.isfinite(array).all():
        raise InvalidStateError(f"The shared array {name} holds a value that is not finite.")
    copy = np.array(array, copy=True, order="C")
    copy.setflags(write=False)
    return copy
