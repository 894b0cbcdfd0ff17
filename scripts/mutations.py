"""Mutations: one small, wrong change of a module at a time, as a test suite should notice it.

A mutant is the whole module with one change: a comparison turned or moved by one, a condition made constant,
`and` for `or`, a part of either left out, `not` left out, a number moved by one, a constant of an enumeration
exchanged, `min` for `max`, an operator exchanged, a returned value or a statement left out. Docstrings,
annotations, imports, texts for people and what is written at a module's top level as a list of names are left
alone: they decide nothing.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Mutant", "mutants_of"]

_TURNED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_EXCHANGED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: Members of enumerations that decisions hang on, by the enumeration's name.
_OTHERS = {
    "Act": ("GIVEN", "WITHDRAWN", "OBJECTED"),
    "Channel": ("EVERYWHERE", "WEB"),
    "ConsentState": ("GRANTED", "WITHDRAWN", "NOT_ASKED"),
    "Exclusion": ("MINOR", "RESTRICTED"),
    "Outcome": ("PASS", "FAIL", "UNDETERMINED"),
}
#: Their arguments are texts for people, or name the fact that is wrong.
_TELLING = ("Error", "inconsistent", "rewound", "_forged")

Change = Callable[[ast.AST], ast.AST | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change.

    Attributes:
        line: where it is.
        within: the function it is in; empty at the module's top level.
        number: 1, or which one it is of those with the same change in that function.
        what: kind of change.
        before, after: the code that differs, on one line each.
        source: of the whole module.
    """

    line: int
    within: str
    number: int
    what: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """What it is called by, wherever the line moves to."""
        which = "" if self.number == 1 else f" ({self.number})"
        return f"{self.within}: {self.before} -> {self.after}{which}"


def mutants_of(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines; no two are alike."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    known = {ast.unparse(tree)}
    for place, (node, within) in enumerate(_places(tree)):
        for what, change in _changes(node):
            changed = copy.deepcopy(tree)
            target = [each for each, _ in _places(changed)][place]
            after = change(target)
            before = _line(node)
            _replace(changed, target, after)
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text in known:
                continue
            known.add(text)
            shown = "pass" if after is None else _line(after)
            found.append(
                Mutant(
                    line=node.lineno,
                    within=within,
                    number=1,
                    what=what,
                    before=before,
                    after=shown,
                    source=text,
                )
            )
    return _numbered(sorted(found, key=lambda mutant: mutant.line))


def _numbered(mutants: list[Mutant]) -> list[Mutant]:
    seen: Counter[str] = Counter()
    numbered = []
    for each in mutants:
        seen[each.name] += 1
        numbered.append(replace(each, number=seen[each.name]))
    return numbered


def _places(tree: ast.Module) -> list[tuple[ast.expr | ast.stmt, str]]:
    """Return the nodes that may be changed, each with the function it is in."""
    found: list[tuple[ast.expr | ast.stmt, str]] = []

    def visit(node: ast.AST, within: str) -> None:
        if _is_left_alone(node, within):
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            within = f"{within}.{node.name}" if within else node.name
        if isinstance(node, ast.expr | ast.stmt):
            found.append((node, within))
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "bases"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_docstring(node, child):
                    visit(child, within)

    visit(tree, "")
    return found


def _is_left_alone(node: ast.AST, within: str) -> bool:
    if isinstance(node, ast.Assign) and not within:
        decides = ast.Constant | ast.Tuple | ast.Call | ast.BinOp
        return not isinstance(node.value, decides)
    if isinstance(node, ast.Call):
        return _is_telling(node.func)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    for kind, changes in _OF_KINDS:
        if isinstance(node, kind):
            yield from changes(node)


def _comparisons(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for place, operator in enumerate(node.ops):
        for other in _TURNED[type(operator)]:

            def turn(each: ast.AST, place: int = place, other: type[ast.cmpop] = other) -> ast.AST:
                changed = copy.deepcopy(each)
                changed.ops[place] = other()  # type: ignore[attr-defined]
                return changed

            yield "comparison", turn


def _connectives(node: ast.BoolOp) -> Iterator[tuple[str, Change]]:
    yield "and/or", _other_connective
    for place in range(len(node.values)):
        yield "part left out", lambda each, place=place: _without(each, place)  # type: ignore[misc]


def _negations(node: ast.UnaryOp) -> Iterator[tuple[str, Change]]:
    if isinstance(node.op, ast.Not):
        yield "not left out", lambda each: each.operand  # type: ignore[attr-defined]


def _operators(node: ast.BinOp | ast.AugAssign) -> Iterator[tuple[str, Change]]:
    if type(node.op) in _EXCHANGED:
        yield "operator", _other_operator


def _constants(node: ast.Constant) -> Iterator[tuple[str, Change]]:
    if type(node.value) in {int, bool}:
        yield "constant", _other_constant


def _members(node: ast.Attribute) -> Iterator[tuple[str, Change]]:
    if isinstance(node.value, ast.Name):
        for other in _OTHERS.get(node.value.id, ()):
            if node.attr != other:
                yield "member", lambda each, other=other: _renamed(each, other)  # type: ignore[misc]


def _calls(node: ast.Call) -> Iterator[tuple[str, Change]]:
    if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield "call", _other_call


def _conditions(_: ast.AST) -> Iterator[tuple[str, Change]]:
    for value in (True, False):
        yield "condition", lambda each, value=value: _decided(each, value)  # type: ignore[misc]


def _returns(node: ast.Return) -> Iterator[tuple[str, Change]]:
    if node.value is not None and not _is_none(node.value):
        yield "value left out", lambda _: ast.Return(value=ast.Constant(value=None))


def _statements(_: ast.AST) -> Iterator[tuple[str, Change]]:
    yield "statement left out", lambda _: None


def _filters(
    node: ast.GeneratorExp | ast.SetComp | ast.ListComp | ast.DictComp,
) -> Iterator[tuple[str, Change]]:
    for place, generator in enumerate(node.generators):
        if generator.ifs:
            yield "filter left out", lambda each, place=place: _unfiltered(each, place)  # type: ignore[misc]


_OF_KINDS: tuple[tuple[Any, Callable[[Any], Iterator[tuple[str, Change]]]], ...] = (
    (ast.Compare, _comparisons),
    (ast.BoolOp, _connectives),
    (ast.UnaryOp, _negations),
    (ast.BinOp | ast.AugAssign, _operators),
    (ast.Constant, _constants),
    (ast.Attribute, _members),
    (ast.Call, _calls),
    (ast.If | ast.IfExp | ast.While, _conditions),
    (ast.Return, _returns),
    (ast.Expr | ast.Raise | ast.Continue | ast.Break | ast.Delete | ast.AugAssign, _statements),
    (ast.GeneratorExp | ast.SetComp | ast.ListComp | ast.DictComp, _filters),
)


def _other_connective(node: ast.AST) -> ast.AST:
    changed: ast.BoolOp = copy.deepcopy(node)  # type: ignore[assignment]
    changed.op = ast.Or() if isinstance(changed.op, ast.And) else ast.And()
    return changed


def _without(node: ast.AST, place: int) -> ast.AST:
    changed: ast.BoolOp = copy.deepcopy(node)  # type: ignore[assignment]
    del changed.values[place]
    return changed.values[0] if len(changed.values) == 1 else changed


def _other_operator(node: ast.AST) -> ast.AST:
    changed: ast.BinOp = copy.deepcopy(node)  # type: ignore[assignment]
    changed.op = _EXCHANGED[type(changed.op)]()
    return changed


def _other_constant(node: ast.AST) -> ast.AST:
    value: bool | int = node.value  # type: ignore[attr-defined]
    return ast.Constant(value=(not value) if isinstance(value, bool) else value + 1)


def _renamed(node: ast.AST, other: str) -> ast.AST:
    changed: ast.Attribute = copy.deepcopy(node)  # type: ignore[assignment]
    changed.attr = other
    return changed


def _other_call(node: ast.AST) -> ast.AST:
    changed: ast.Call = copy.deepcopy(node)  # type: ignore[assignment]
    function: ast.Name = changed.func  # type: ignore[assignment]
    function.id = _CALLS[function.id]
    return changed


def _decided(node: ast.AST, value: bool) -> ast.AST:
    changed: ast.If = copy.deepcopy(node)  # type: ignore[assignment]
    changed.test = ast.Constant(value=value)
    return changed


def _unfiltered(node: ast.AST, place: int) -> ast.AST:
    changed: ast.ListComp = copy.deepcopy(node)  # type: ignore[assignment]
    changed.generators[place].ifs = []
    return changed


def _replace(tree: ast.Module, target: ast.AST, after: ast.AST | None) -> None:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is target:
                setattr(node, name, after)
                return
            if isinstance(value, list):
                for place, child in enumerate(value):
                    if child is target:
                        value[place] = ast.Pass() if after is None else after
                        return


def _is_docstring(node: ast.AST, child: ast.AST) -> bool:
    is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    return is_text and isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)


def _is_telling(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name.endswith(_TELLING) or name == "execute"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _line(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.While):
        return f"while {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())
