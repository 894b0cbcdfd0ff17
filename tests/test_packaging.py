"""The wheel holds every package of every room, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("audit", "client", "models", "privacy", "protos", "server", "simulations")


def _setuptools() -> dict[str, object]:
    settings: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    return settings


def _packages_on_disk() -> dict[str, str]:
    found = {"highstreet": "src/highstreet"}
    for room in ROOMS:
        for init in (ROOT / room).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT)
            found["highstreet." + ".".join(folder.parts)] = str(folder)
    return found


def test_package_list_matches_the_folders() -> None:
    packages = _setuptools()["packages"]
    assert isinstance(packages, list)
    assert sorted(packages) == sorted(_packages_on_disk())


def test_package_folders_are_the_rooms() -> None:
    mapping = _setuptools()["package-dir"]
    assert isinstance(mapping, dict)
    disk = _packages_on_disk()
    listed = {name: mapping.get(name) or _inherited(name, mapping) for name in disk}
    assert listed == disk


def _inherited(name: str, mapping: dict[str, str]) -> str:
    parent, _, leaf = name.rpartition(".")
    return f"{mapping.get(parent) or _inherited(parent, mapping)}/{leaf}"


def test_no_bare_highstreet_folder_hides_the_installed_package() -> None:
    assert not (ROOT / "highstreet").exists()


def test_every_folder_with_code_is_a_package() -> None:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.parent} has code but no __init__.py"


def test_every_file_that_is_not_code_travels_in_the_wheel() -> None:
    package_data = _setuptools()["package-data"]
    assert isinstance(package_data, dict)
    patterns = package_data["*"]
    left_behind = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_dir() or path.suffix in {".py", ".pyc"}:
                continue
            package = next(parent for parent in path.parents if (parent / "__init__.py").exists())
            inside = path.relative_to(package)
            # As setuptools reads them: a pattern is matched part by part, `*` never crosses a folder.
            if not any(len(inside.parts) == len(Path(p).parts) and inside.match(p) for p in patterns):
                left_behind.append(str(path.relative_to(ROOT)))
    assert left_behind == []
