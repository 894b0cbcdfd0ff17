"""Ways to customers' data as a source file shows them; `test_only_way_in` says which are allowed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

#: Tables of the vault with rows about single customers.
PERSONAL = (
    "customers",
    "orders",
    "lines",
    "identifiers",
    "customer_attributes",
    "consents",
    "exclusions",
    "pseudonyms",
    "rights_requests",
)
#: Of a module that is taken as a whole: whatever is in it can be used then.
WHOLE = "*"
#: Where no function is around.
MODULE = "<module>"
#: On a connection.
_EXECUTES = {"execute", "executemany", "executescript"}
#: On the rows of a file that is read (`Staging`).
_ASKS = {"one", "pairs"}
#: On a connection: what gives rows without a statement.
_COPIES = {"iterdump", "blobopen"}
_VERB = re.compile(r"(?i)\b(select|insert|replace|update|delete|join|create|alter|drop|attach|with)\b")
_TABLE = re.compile(rf"(?i)(?<!staging\.)(?<![\w'])\b({'|'.join(PERSONAL)})\b(?!')")
#: A gap where a table's name could stand.
_OPEN_TABLE = re.compile(r'(?i)\b(from|join|into|update|table)\s+"?(main\.)?"?\{\}')
_MINTS = re.compile(r"mint_\w+|_MINTED|_Minted|_Capability")
_OTHER_DATABASES = {"_sqlite3", "apsw", "aiosqlite", "dbm", "duckdb", "sqlalchemy"}
_LOADS_BY_NAME = {"__import__", "import_module", "run_module", "run_path", "modules", "SourceFileLoader"}
_RUNS_TEXT = {"eval", "exec", "compile"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Finding:
    """What was found, and where."""

    line: int
    what: str


@lru_cache(maxsize=1)
def _parsed(source: str) -> ast.Module:
    """Parse, once for all that is asked of one source after the other."""
    return ast.parse(source)


@lru_cache(maxsize=1)
def _nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All of a tree, walked once for all that is asked of it."""
    return tuple(ast.walk(tree))


def _docstrings(tree: ast.AST) -> set[int]:
    return {
        id(node.value)
        for node in _nodes(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


@lru_cache(maxsize=1)
def texts(tree: ast.AST) -> tuple[tuple[int, str], ...]:
    """Every text but docstrings; what is put together here in one piece, with {} for what is filled in."""
    skipped = _docstrings(tree)
    return tuple(
        (node.lineno, text)  # type: ignore[attr-defined]  # every expression has one
        for node in _nodes(tree)
        if id(node) not in skipped and (text := _as_text(node)) is not None
    )


def _as_text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_as_text(part) or "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _as_text(node.left), _as_text(node.right)
        return None if left is None and right is None else f"{left or '{}'}{right or '{}'}"
    return None


def _names_a_table(text: str | None) -> bool:
    return text is not None and _VERB.search(text) is not None and _TABLE.search(text) is not None


def _is_a_sentence(text: str) -> bool:
    """Words for an owner, not for a database: no statement ends in a full stop or has such words."""
    return re.search(
        r"(?i)\b(select|insert|update|delete|join|from|create|alter|drop|attach)\b\s+\S", text
    ) is None or (
        re.search(r"(?i)\b(the|an?|of|this|their|your|who)\b", text) is not None
        and "SELECT" not in text.upper()
    )


def personal_statements(source: str) -> list[Finding]:
    """Find texts of SQL that name a table with customers' data."""
    return [
        Finding(line, text)
        for line, text in texts(_parsed(source))
        if _names_a_table(text) and not _is_a_sentence(text)
    ]


def hidden_statements(source: str) -> list[Finding]:
    """Find statements that are run though nobody can read here which tables they name."""
    tree = _parsed(source)
    constants = _constants(tree)
    called = {id(node.func): node for node in _nodes(tree) if isinstance(node, ast.Call)}
    found = [Finding(line, text) for line, text in texts(tree) if text in _COPIES | _EXECUTES]
    for node in _nodes(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in _EXECUTES | _ASKS | _COPIES:
            continue
        call = called.get(id(node))
        if node.attr in _COPIES or (call is None and node.attr in _EXECUTES):
            found.append(
                Finding(node.lineno, ast.unparse(node))
            )  # handed on, to be called where nobody looks
        elif call is not None and call.args:
            argument = call.args[0]
            text = constants.get(argument.id) if isinstance(argument, ast.Name) else _as_text(argument)
            if text is None or _OPEN_TABLE.search(text):
                found.append(Finding(node.lineno, ast.unparse(argument)))
    return found


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts with a name of the module's own."""
    return {name: text for _, name, text in _named_texts(tree)}


def _named_texts(tree: ast.Module) -> Iterator[tuple[ast.Assign, str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            text = _as_text(node.value)
            if text is not None:
                yield node, node.targets[0].id, text


class _Place(NamedTuple):
    """A function of whatever kind and depth, or the module; and where it names such a table itself."""

    node: ast.AST
    name: str
    lines: list[int]


def _own(place: ast.AST, skipped: set[int]) -> Iterator[ast.AST]:
    """What is in a place, less what is in a function within it."""
    waiting = list(ast.iter_child_nodes(place))
    while waiting:
        node = waiting.pop()
        if id(node) not in skipped:
            yield node
            if not isinstance(node, _FUNCTIONS):
                waiting.extend(ast.iter_child_nodes(node))


def _places(source: str) -> Iterator[_Place]:
    """Every place that names a table with customers' data, itself or by a constant."""
    tree = _parsed(source)
    named = [(node, name) for node, name, text in _named_texts(tree) if _names_a_table(text)]
    personal = {name for _, name in named}
    skipped = _docstrings(tree) | {id(node) for node, _ in named}
    for place in _nodes(tree):
        if not isinstance(place, (ast.Module, *_FUNCTIONS)):
            continue
        lines = [
            node.lineno  # type: ignore[attr-defined]  # every expression has one
            for node in _own(place, skipped)
            if _names_a_table(_as_text(node)) or (isinstance(node, ast.Name) and node.id in personal)
        ]
        if lines:
            name = MODULE if isinstance(place, ast.Module) else getattr(place, "name", "<lambda>")
            yield _Place(place, name, lines)


def functions_naming(source: str) -> set[str]:
    """Return the functions that name such a table."""
    return {place.name for place in _places(source)}


def functions_without(source: str, capability: str, looked_at_by: str) -> list[str]:
    """Return the functions that name such a table, and do not take the word and look at it before."""
    return [place.name for place in _places(source) if not _looks(place, capability, looked_at_by)]


def _looks(place: _Place, capability: str, looked_at_by: str) -> bool:
    if not isinstance(place.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    given = place.node.args
    words = {
        each.arg
        for each in [*given.posonlyargs, *given.args, *given.kwonlyargs]
        if each.annotation and ast.unparse(each.annotation) == capability
    }
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == looked_at_by
        and any(isinstance(each, ast.Name) and each.id in words for each in node.args[:1])
        and node.lineno <= min(place.lines)
        for node in _own(place.node, set())
    )


def _imported(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Yield each module and name in it that is imported, the name empty for a module as a whole."""
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def taken(source: str, package: str, modules: Mapping[str, str]) -> dict[str, set[str]]:
    """Return what a source takes from modules: by each one's file the names, WHOLE for all there is.

    Args:
        source: what is looked through.
        package: that it is in, with dots.
        modules: by the dotted name of each module that matters its file.
    """
    tree = _parsed(source)
    found: dict[str, set[str]] = {}
    for module, name in _imported(tree, package):
        if module in modules:
            found.setdefault(modules[module], set()).add(name or WHOLE)
        for each in _as_a_whole(module, name, modules):
            found.setdefault(modules[each], set()).add(WHOLE)
    ends = {".".join(module.split(".")[-2:]): file for module, file in modules.items()}
    by_path = re.compile(rf"\b({'|'.join(map(re.escape, ends))})\b")
    for path in _paths(tree):
        for end in by_path.findall(path):
            found.setdefault(ends[end], set()).add(WHOLE)
    return found


def _as_a_whole(module: str, name: str, modules: Mapping[str, str]) -> list[str]:
    """Return the modules that an import brings as a whole: itself, or all those of a package."""
    brought = module if name in {"", WHOLE} else f"{module}.{name}"
    return [each for each in modules if brought in {each, each.rpartition(".")[0]}]


def _paths(tree: ast.AST) -> Iterator[str]:
    """The last two of names with dots, and texts."""
    for node in _nodes(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            within = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            yield f"{within}.{node.attr}"
    yield from (text for _, text in texts(tree))


def minting(source: str) -> list[Finding]:
    """Find what could make the desk's word: its makers' names, as names, attributes, imports and texts."""
    tree = _parsed(source)
    named = [(node.lineno, node.id) for node in _nodes(tree) if isinstance(node, ast.Name)]
    named += [(node.lineno, node.attr) for node in _nodes(tree) if isinstance(node, ast.Attribute)]
    named += [(node.lineno, node.name) for node in _nodes(tree) if isinstance(node, ast.alias)]
    named += list(texts(tree))
    return [Finding(line, name) for line, name in named if _MINTS.fullmatch(name)]


def opening(source: str) -> list[Finding]:
    """Find what could open a database, by whatever name."""
    tree = _parsed(source)
    aliases, found = {"sqlite3"}, []
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname for alias in node.names if alias.name == "sqlite3" and alias.asname}
            opened = [alias.name for alias in node.names if _opens(alias.name)]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = {alias.name for alias in node.names}
            from_sqlite = node.module == "sqlite3" and names & {"connect", "Connection", "dbapi2", WHOLE}
            opened = [node.module or ""] if from_sqlite or _opens(node.module or "") else []
        else:
            continue
        found += [Finding(node.lineno, name) for name in opened]
    parts = {id(node.value): node for node in _nodes(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func) for node in _nodes(tree) if isinstance(node, ast.Call)}
    inherited = {id(each) for node in _nodes(tree) if isinstance(node, ast.ClassDef) for each in node.bases}
    for node in _nodes(tree):
        if isinstance(node, ast.Name) and node.id in aliases:
            part = parts.get(id(node))
            makes = part is not None and part.attr == "Connection" and id(part) in called | inherited
            if part is None or part.attr in {"connect", "dbapi2"} or makes:
                found.append(Finding(node.lineno, ast.unparse(part or node)))
    return found


def _opens(module: str) -> bool:
    return module.split(".")[0] in _OTHER_DATABASES or module.startswith("sqlite3.")


def loading_by_name(source: str) -> list[Finding]:
    """Find what runs a text, or takes a module by a text: nobody can read here which."""
    tree = _parsed(source)
    named = [(node.lineno, node.id) for node in _nodes(tree) if isinstance(node, ast.Name)]
    found = [(line, name) for line, name in named if name in _LOADS_BY_NAME - {"modules"} | _RUNS_TEXT]
    found += [
        (node.lineno, ast.unparse(node))
        for node in _nodes(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in _LOADS_BY_NAME
        and (node.attr != "modules" or ast.unparse(node) == "sys.modules")
    ]
    found += [
        (node.lineno, node.name)
        for node in _nodes(tree)
        if isinstance(node, ast.alias) and node.name in _LOADS_BY_NAME - {"modules"}
    ]
    found += [(line, text) for line, text in texts(tree) if text in _LOADS_BY_NAME - {"modules"}]
    return [Finding(line, what) for line, what in found]
