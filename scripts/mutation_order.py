"""In which order tests are best run over a mutant: those that come past the changed line, quickest first.

Only the order differs: a mutant has survived when every test of its area passed over it.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest

__all__ = ["InOrder", "Watch", "Watched"]


@dataclass(frozen=True, slots=True)
class Watched:
    """What the tests do when nothing is changed.

    Attributes:
        seconds: of each test with what it sets up, by its name.
        lines: which tests run which line, by the module's path, as it is from the root, and the line.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Watched:
        """Return what `plain` told; JSON knows no numbers as keys."""
        lines = {
            module: {int(line): tests for line, tests in every.items()}
            for module, every in plain["lines"].items()
        }
        return cls(plain["seconds"], lines)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"seconds": self.seconds, "lines": self.lines}

    def order(self, module: str, source: str, line: int) -> dict[str, tuple[int, float]]:
        """Return each test's place over a change of `line`: those on it, in its function, the rest."""
        every = self.lines.get(module, {})
        on_it = set(every.get(line, ()))
        around = {test for each in _function_around(source, line) for test in every.get(each, ())}
        return {
            test: (0 if test in on_it else 1 if test in around else 2, seconds)
            for test, seconds in self.seconds.items()
        }


class Watch:
    """Plugin of pytest that watches how long each test takes, and which lines of some modules it runs."""

    def __init__(self, root: Path, modules: Sequence[str]) -> None:
        self._paths = {str((root / module).resolve()): module for module in modules}
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=list(self._paths))
        self._seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        """Watch from the first test to the last."""
        self._coverage.start()
        yield
        self._coverage.stop()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Let what runs from here on count as this test's."""
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        yield
        self._seconds[item.nodeid] = round(time.monotonic() - began, 4)

    def watched(self) -> Watched:
        """Return what was seen."""
        data = self._coverage.get_data()
        lines = {}
        for file in data.measured_files():
            if module := self._paths.get(str(Path(file).resolve())):
                lines[module] = data.contexts_by_lineno(file)
        return Watched(self._seconds, lines)


class InOrder:
    """Plugin of pytest that runs tests by their places, and those without one last."""

    def __init__(self, places: dict[str, tuple[int, float]]) -> None:
        self._places = places

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put them in order."""
        items.sort(key=lambda each: self._places.get(each.nodeid, (3, 0.0)))


def _function_around(source: str, line: int) -> range:
    """Return the lines of the innermost function that holds `line`; none at the module's top level."""
    found = range(0)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            if line in range(node.lineno, lines.stop) and (not found or len(lines) < len(found)):
                found = lines
    return found
