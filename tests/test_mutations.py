"""Mutants are small, each is another one, and what decides nothing is left alone; who survives is told."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

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

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
ADULT = """
def is_adult(age: int) -> bool:
    return age >= 18


def is_child(age: int) -> bool:
    return age < 14
"""
TESTS = """
import time

from grown import is_adult, is_child


def test_slow_and_tells_nothing() -> None:
    time.sleep(0.4)
    assert is_adult(40)


def test_of_children() -> None:
    assert is_child(13)
    assert not is_child(14)


def test_of_adults() -> None:
    assert is_adult(18)
    assert not is_adult(17)
"""
TRIAL = """
import json, sys
from pathlib import Path
import mutation_trial
from mutations import mutants_of

mutation_trial.ROOT, mutation_trial._OURS = Path.cwd(), ("grown", "test_grown")
sys.path.insert(0, str(Path.cwd()))
area = mutation_trial.Area(("grown.py",), ("test_grown.py",), tuple(sys.argv[1:]))
every = [("grown.py", each) for each in mutants_of(Path("grown.py").read_text())]
watched, _ = mutation_trial._ready("grown", area)
order = watched.order("grown.py", Path("grown.py").read_text(), 3)
tried, survivors = mutation_trial.Trial("grown", area, jobs=2).survivors(every, seconds=None)
print(json.dumps({
    "mutants": len(every), "tried": tried, "survivors": sorted(each.name for _, each in survivors),
    "order": sorted(order, key=order.get),
}))
"""


@pytest.fixture(scope="module")
def mutations() -> ModuleType:
    path = SCRIPTS / "mutations.py"
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


def _trial(folder: Path, *left_out: str) -> dict[str, Any]:
    (folder / "grown.py").write_text(ADULT)
    (folder / "test_grown.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow: long\n")
    done = subprocess.run(
        [sys.executable, "-c", TRIAL, *left_out],
        cwd=folder,
        env={"PYTHONPATH": str(SCRIPTS), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_tests_that_look_let_no_mutant_survive_and_those_past_the_changed_line_run_first(
    tmp_path: Path,
) -> None:
    found = _trial(tmp_path)
    assert found["tried"] == found["mutants"] > 4
    assert found["survivors"] == []
    assert [each.split("::")[1] for each in found["order"]] == [
        "test_of_adults",
        "test_slow_and_tells_nothing",
        "test_of_children",
    ]


def test_without_the_test_that_looks_just_its_mutants_survive(tmp_path: Path) -> None:
    found = _trial(tmp_path, "test_grown.py::test_of_children")
    assert found["tried"] == found["mutants"]
    assert found["survivors"]
    assert all(each.startswith("is_child: ") for each in found["survivors"])
    assert "is_child: 14 -> 15" in found["survivors"]
