"""A file from outside is refused by its header, before the library makes arrays of it."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from highstreet.models import state as state_module
from highstreet.models.errors import InvalidStateError
from highstreet.models.state import SharedState
from highstreet.models.state_header import HEADER_LIMIT_BYTES, check_header


def _file(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _entry(shape: list[object], offsets: list[object], dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _of(entries: object, data: bytes = b"") -> bytes:
    return _file(json.dumps(entries).encode(), data)


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: bytes) -> None:
        pytest.fail("the library was asked to read it")

    monkeypatch.setattr(state_module, "load", load)


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize(
    "bad",
    [
        _of({f"{n:x}": _entry([0], [0, 0]) for n in range(2000)}),
        _of({f"{n:x}": _entry([0], [0, 0]) for n in range(129)}),
        _file(b"{" + b" " * HEADER_LIMIT_BYTES + b"}"),
        _file(b'{"a":' * 10_000),
        _file(b"[]"),
        _file(b"\xff"),
        _file(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":1}'),
        _of({"a": _entry([1], [0, 4], "I32")}, bytes(4)),
        _of({"a": _entry([1], [0, 4], ["F32"])}, bytes(4)),
        _of({"A name": _entry([1], [0, 4])}, bytes(4)),
        _of({"__metadata__": {"a": "b"}}),
        _of({"a": {**_entry([1], [0, 4]), "more": 1}}, bytes(4)),
        _of({"a": _entry([1, 1, 1, 1], [0, 4])}, bytes(4)),
        _of({"a": _entry([True], [0, 4])}, bytes(4)),
        _of({"a": _entry([-1], [4, 0])}, bytes(4)),
        _of({"a": _entry([1 << 62, 4], [0, 4])}, bytes(4)),
        _of({"a": _entry([1], [0, 4])}, bytes(5)),
        _of({"a": _entry([1], [1, 5])}, bytes(5)),
        _of({"a": _entry([1], [0, 4]), "b": _entry([1], [0, 4])}, bytes(4)),
        _of({"a": _entry([1], [0, 4]), "b": _entry([1], [8, 12])}, bytes(12)),
        _file(b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}', bytes(4)),
    ],
)
def test_a_bad_header_is_refused_before_anything_is_read(bad: bytes) -> None:
    with pytest.raises(InvalidStateError):
        SharedState.from_bytes(bad)


def test_a_header_in_order_names_its_arrays_and_the_whole_is_read() -> None:
    state = SharedState({"b": np.ones((2, 3)), "a/x": np.zeros(0, dtype=np.float32), "c": np.array(2.0)})
    data = state.to_bytes()
    assert sorted(check_header(data, arrays=3, dimensions=2)) == ["a/x", "b", "c"]
    assert SharedState.from_bytes(data) == state
