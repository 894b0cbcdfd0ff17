"""Mutants are small, each is another one, and what decides nothing is left alone."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.checkout

SOURCE = '''
"""Words of the module."""

from __future__ import annotations

LIMIT = 5
NAMES = ["a", "b"]


def decide(values: list[int], *, is_open: bool = True) -> int | None:
    """Words of the function."""
    if not values and is_open:
        raise OddError(f"there are {len(values)} and not {1 + 1}", next_step=2)
    return max(each for each in values if each < LIMIT)
'''


@pytest.fixture(scope="module")
def mutations() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "scripts" / "mutations.py"
    spec = importlib.util.spec_from_file_location("mutations_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_small_function_has_just_the_mutants_that_could_decide_otherwise(mutations: ModuleType) -> None:
    found = {mutant.name for mutant in mutations.mutants_of(SOURCE)}
    assert found == {
        ": 5 -> 6",
        "decide: True -> False",
        "decide: if not values and is_open -> if True",
        "decide: if not values and is_open -> if False",
        "decide: not values and is_open -> not values or is_open",
        "decide: not values and is_open -> not values",
        "decide: not values and is_open -> is_open",
        "decide: not values -> values",
        "decide: raise OddError(f'there are {len(values)} and not {1 + 1}', next_step=2) -> pass",
        "decide: return max((each for each in values if each < LIMIT)) -> return None",
        "decide: max((each for each in values if each < LIMIT))"
        " -> min((each for each in values if each < LIMIT))",
        "decide: (each for each in values if each < LIMIT) -> (each for each in values)",
        "decide: each < LIMIT -> each <= LIMIT",
        "decide: each < LIMIT -> each >= LIMIT",
    }


@pytest.mark.parametrize("module", ["client/consent.py", "audit/consent_states.py", "audit/bias_gate.py"])
def test_every_mutant_of_a_real_module_can_be_run_and_is_like_no_other(
    mutations: ModuleType, module: str
) -> None:
    source = (Path(__file__).resolve().parent.parent / module).read_text()
    found = mutations.mutants_of(source)
    as_it_is = ast.unparse(ast.parse(source))
    assert len(found) > 50
    assert len({mutant.name for mutant in found}) == len({mutant.source for mutant in found}) == len(found)
    for mutant in found:
        assert mutant.source != as_it_is
        compile(mutant.source, module, "exec")
