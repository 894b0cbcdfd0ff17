"""ristretto255 by libsodium, against a second implementation in Python integers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import plain_ristretto as plain
import pytest

from highstreet.privacy.matching.errors import MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.group import (
    IDENTITY,
    ORDER,
    add,
    element_from_uniform,
    multiply,
    multiply_base,
    read_element,
    read_scalar,
    scalar_from_uniform,
    scalar_inverse,
    scalar_multiply_subtract,
)


def uniform(number):
    return hashlib.sha512(f"uniform {number}".encode()).digest()


def number_of(scalar):
    return int.from_bytes(scalar, "little")


@pytest.mark.parametrize("number", range(8))
def test_elements_and_their_arithmetic_are_the_second_implementations(number):
    element, other = element_from_uniform(uniform(number)), element_from_uniform(uniform(number + 100))
    scalar = scalar_from_uniform(uniform(number + 200))
    assert element == plain.encode(plain.from_uniform(uniform(number)))
    assert number_of(scalar) == int.from_bytes(uniform(number + 200), "little") % ORDER
    assert read_element(element) == element == plain.encode(plain.decode(element))
    assert add(element, other) == plain.encode(plain.add(plain.decode(element), plain.decode(other)))
    assert multiply(scalar, element) == plain.encode(plain.multiply(number_of(scalar), plain.decode(element)))
    assert multiply_base(scalar) == plain.encode(plain.multiply(number_of(scalar), plain.GENERATOR))


def test_scalars_are_integers_modulo_the_order():
    first, second, third = (scalar_from_uniform(uniform(number)) for number in range(3))
    assert number_of(scalar_inverse(first)) * number_of(first) % ORDER == 1
    difference = number_of(scalar_multiply_subtract(first, second, third))
    assert difference == (number_of(first) - number_of(second) * number_of(third)) % ORDER


def test_an_element_times_the_order_or_minus_itself_is_the_identity():
    element = element_from_uniform(uniform(1))
    last = (ORDER - 1).to_bytes(32, "little")
    assert add(element, multiply(read_scalar(last), element)) == IDENTITY
    assert multiply(read_scalar(bytes(32)), element) == IDENTITY == multiply_base(read_scalar(bytes(32)))


def _little(value):
    return value.to_bytes(32, "little")


def _not_on_the_curve():
    return next(_little(s) for s in range(2, 100, 2) if plain.decode(_little(s)) is None)


@pytest.mark.parametrize(
    "encoded",
    [
        bytes(32),
        bytes(31),
        bytes(33),
        b"",
        _little(plain.P),
        _little(plain.P + 2),
        _little(2**255 - 1),
        b"\xff" * 32,
        _little(1),
        _little(plain.P - 1),
        _little(plain.P - int.from_bytes(element_from_uniform(uniform(0)), "little")),
        element_from_uniform(uniform(0))[:31] + bytes([element_from_uniform(uniform(0))[31] | 0x80]),
        _not_on_the_curve(),
    ],
)
def test_identity_and_every_other_spelling_of_an_element_are_refused(encoded):
    with pytest.raises(MatchingRefusedError) as refused:
        read_element(encoded)
    assert refused.value.code is MatchingRefusal.ELEMENT


def test_small_numbers_are_elements_exactly_when_the_second_implementation_says_so():
    taken = 0
    for s in range(1, 200):
        try:
            read_element(_little(s))
        except MatchingRefusedError:
            assert plain.decode(_little(s)) is None
        else:
            assert plain.decode(_little(s)) is not None
            taken += 1
    assert 20 < taken < 100


@pytest.mark.parametrize("encoded", [_little(ORDER), b"\xff" * 32, bytes(31), bytes(33)])
def test_scalars_of_the_order_or_more_are_refused(encoded):
    with pytest.raises(MatchingRefusedError) as refused:
        read_scalar(encoded)
    assert refused.value.code is MatchingRefusal.SCALAR
    assert read_scalar(_little(ORDER - 1)) == _little(ORDER - 1)


def test_too_few_uniform_bytes_make_nothing():
    for make in (element_from_uniform, scalar_from_uniform):
        with pytest.raises(ValueError, match="64 uniform bytes"):
            make(bytes(63))


@pytest.mark.skipif(sys.platform == "win32", reason="a loaded library cannot be removed there")
def test_no_unpacked_library_stays_in_the_temporary_folder(tmp_path):
    """rbcl writes libsodium out on every import; twin: without our module the file is there."""
    for module, left in (("rbcl", 1), ("highstreet.privacy.matching.group", 0)):
        folder = tmp_path / module
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", f"import {module}"], env={**os.environ, "TMPDIR": str(folder)}, check=True
        )
        assert len(list(folder.iterdir())) == left
