"""Say whether the installed highstreet is the checkout's, file by file, and whether every module of it loads.

Usage: `PYTHON scripts/wheel_contents.py CHECKOUT`, with the Python that the wheel was installed for. Exit
status 0: the same bytes, and all of it loads; 1: each file or module that is wrong is named.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

import highstreet
from highstreet.server.tls import require_tls_1_3

require_tls_1_3()  # before anything imports gRPC, as `highstreet coop run` does


def main(checkout: Path) -> int:
    """Compare and load; print what is wrong, or what was found."""
    installed = _files_under(Path(highstreet.__file__).parent)
    wanted = _files_of(checkout)
    modules = sorted(_module(name) for name in wanted if name.endswith(".py"))
    wrong = [
        *(f"not in the wheel: {name}" for name in sorted(wanted.keys() - installed.keys())),
        *(f"in the wheel, not in the checkout: {name}" for name in sorted(installed.keys() - wanted.keys())),
        *(
            f"other bytes than in the checkout: {name}"
            for name in sorted(wanted.keys() & installed.keys())
            if wanted[name].read_bytes() != installed[name].read_bytes()
        ),
        *filter(None, map(_loading_problem, modules)),
    ]
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    sys.stdout.write(f"the wheel holds the checkout's {len(wanted)} files; all {len(modules)} modules load\n")
    return 0


def _files_under(folder: Path) -> dict[str, Path]:
    """Files by their place inside the package; what Python itself leaves behind is passed over."""
    return {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _files_of(checkout: Path) -> dict[str, Path]:
    """The same for the rooms of a checkout, at the places that pyproject.toml gives them."""
    settings = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    found = {}
    for package, folder in settings["tool"]["setuptools"]["package-dir"].items():
        place = Path(*package.split(".")[1:])
        for name, path in _files_under(checkout / folder).items():
            found[str(place / name)] = path
    return found


def _module(name: str) -> str:
    return ".".join(("highstreet", *Path(name).with_suffix("").parts)).removesuffix(".__init__")


def _loading_problem(module: str) -> str | None:
    if module.endswith(".__main__"):
        return None  # loading it would run it
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is named and fails the run
        return f"does not load: {module}: {error!r}"
    return None


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
