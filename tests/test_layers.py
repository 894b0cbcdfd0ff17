"""Imports point one way: the rooms' arrows are read from every source file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"server", "client", "models", "privacy", "audit", "simulations", "protos"}
PURE = {"models", "privacy", "audit"}
MAY_IMPORT: dict[str, set[str]] = {
    "protos": set(),
    "models": {"protos"},
    "privacy": {"protos"},
    "audit": {"protos", "models", "privacy"},
    "client": {"protos", "models", "privacy", "audit"},
    "server": {"protos", "models", "privacy", "audit"},
    "simulations": ROOMS - {"simulations"},
    "highstreet": set(),
}
SHARED = {"highstreet", "highstreet.errors", "highstreet.printable"}
SHELL_ONLY = {"highstreet.files", "highstreet.logs", "highstreet.processes"}
#: `audit` holds the one log that store and coordinator both write, and its verifier: shells in a pure room.
AUDIT_SHELLS = {
    "audit/append_only.py",
    "audit/cli.py",
    "audit/cli_attestation.py",
    "audit/cli_receipt.py",
    "audit/cli_reports.py",
    "audit/cli_statement.py",
    "audit/log_book.py",
    "audit/log_download.py",
    "audit/log_files.py",
    "audit/witness_book.py",
}
FLOWER_FILES = {
    "client/app.py",
    "client/shim.py",
    "client/supernode.py",
    "server/app.py",
    "server/strategy.py",
    "server/superlink.py",
    "simulations/run.py",
    # The opponent of the secure sum, not our transport.
    "simulations/bench/flower_sum.py",
}
NO_IO_IN_PURE = {
    "logging",
    "structlog",
    "socket",
    "sqlite3",
    "subprocess",
    "requests",
    "grpc",
    "time",
    "random",
}


def _sources() -> list[Path]:
    folders = [ROOT / room for room in ROOMS] + [ROOT / "src" / "highstreet"]
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "_pb2" not in path.name)


def _is_pure(path: Path) -> bool:
    return _room(path) in PURE and str(path.relative_to(ROOT)) not in AUDIT_SHELLS


def _room(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return "highstreet" if relative.parts[0] == "src" else relative.parts[0]


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module named by an import, relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*base, node.module] if node.module else base)
            else:
                module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names if module == "highstreet")


def _package(path: Path) -> str:
    relative = path.relative_to(ROOT)
    parts = relative.parts[2:-1] if relative.parts[0] == "src" else relative.parts[:-1]
    return ".".join(["highstreet", *parts])


def _parent(module: str) -> str:
    return module.rpartition(".")[0]


def _violations(source: str, *, room: str, package: str, is_pure: bool = True) -> list[str]:
    found = []
    for module in _imports(ast.parse(source), package):
        top = module.split(".")[0]
        if top in ROOMS:
            found.append(f"bare import of {module}")
        if top != "highstreet" or module in SHARED or _parent(module) in SHARED - {"highstreet"}:
            continue
        if module in SHELL_ONLY or _parent(module) in SHELL_ONLY:
            if (room in PURE and is_pure) or room == "protos":
                found.append(f"{room} is pure and must not import {module}")
            continue
        target = module.split(".")[1]
        if target in ROOMS and target != room and target not in MAY_IMPORT[room]:
            found.append(f"{room} must not import {module}")
    return found


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    source, room, package = path.read_text(), _room(path), _package(path)
    assert _violations(source, room=room, package=package, is_pure=_is_pure(path)) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("models", "from highstreet.privacy import clipping"),
        ("privacy", "import highstreet.models.state"),
        ("client", "from highstreet.server.rounds import x"),
        ("server", "from highstreet import client"),
        ("audit", "from highstreet.client import ledger"),
        ("models", "import privacy"),
        ("privacy", "from highstreet.files import write_private"),
        ("protos", "from highstreet.models import state"),
        ("client", "from ..server import rounds"),
    ],
)
def test_an_arrow_that_points_up_is_found(room: str, source: str) -> None:
    assert _violations(source, room=room, package=f"highstreet.{room}")


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_flower_is_touched_in_few_files(path: Path) -> None:
    modules = {module.split(".")[0] for module in _imports(ast.parse(path.read_text()), _package(path))}
    assert "flwr" not in modules or str(path.relative_to(ROOT)) in FLOWER_FILES


@pytest.mark.parametrize(
    "path", [p for p in _sources() if _is_pure(p)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_nothing_pure_imports_the_shells_of_the_log(path: Path) -> None:
    shells = {"highstreet." + shell.removesuffix(".py").replace("/", ".") for shell in AUDIT_SHELLS}
    assert not shells & {*_imports(ast.parse(path.read_text()), _package(path))}


@pytest.mark.parametrize(
    "path", [p for p in _sources() if _is_pure(p)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_pure_rooms_have_no_clock_file_socket_or_logger(path: Path) -> None:
    modules = {module.split(".")[0] for module in _imports(ast.parse(path.read_text()), _package(path))}
    assert not modules & NO_IO_IN_PURE
