"""Regenerate protos/*_pb2*.py from protos/*.proto; with --check, fail when the committed code differs."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
SERVICES = {"coop", "store"}


def generate(into: Path) -> dict[str, str]:
    """Generate all code into a folder; return file name -> text with imports made absolute."""
    include = resources.files("grpc_tools") / "_proto"
    names = sorted(path.stem for path in PROTOS.glob("*.proto"))
    for name in names:
        arguments = ["protoc", f"-I{PROTOS}", f"-I{include}", f"--python_out={into}", f"--pyi_out={into}"]
        if name in SERVICES:
            arguments.append(f"--grpc_python_out={into}")
        if protoc.main([*arguments, str(PROTOS / f"{name}.proto")]) != 0:
            raise SystemExit(f"protoc failed on {name}.proto")
    bare_import = re.compile(r"^import (\w+_pb2) as", flags=re.MULTILINE)
    return {
        path.name: bare_import.sub(r"from highstreet.protos import \1 as", path.read_text())
        for path in sorted(into.iterdir())
    }


def main() -> int:
    """Write or check the generated code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something differs")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = generate(Path(folder))
    committed = {path.name for path in PROTOS.glob("*_pb2*.py*")}
    stale = sorted(committed ^ fresh.keys())
    for name, text in fresh.items():
        target = PROTOS / name
        if not target.exists() or target.read_text() != text:
            stale.append(name)
            if not check:
                target.write_text(text)
    if check and stale:
        sys.stderr.write(f"stale generated code: {', '.join(sorted(set(stale)))}; run `make protos`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
