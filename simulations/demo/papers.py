"""What a run leaves for a file on data protection: statements about its releases, and a log others witnessed.

Everything is made by the commands that a coordinator types, checked by those that an auditor types with keys
known from elsewhere, and forged once, so that a check that takes anything would be seen.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

from highstreet.audit.checkpoints import coordinator_origin, log_key, store_origin, witness_key
from highstreet.audit.log_entries import EntryKind
from highstreet.audit.log_files import ENTRIES, HEADS
from highstreet.audit.witness_book import kept_file
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_membership
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.membership import current_members
from highstreet.simulations.demo.answers import text
from highstreet.simulations.demo.scene import STATEMENTS, Scene
from highstreet.simulations.demo.sceptic import attempt
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.audit_record import LogRead, Statement
from highstreet.simulations.report.record import Check

__all__ = ["check_log", "check_statement", "cut_before"]

_RELEASE = 1


def check_statement(scene: Scene, *, title: str) -> tuple[Statement | None, list[Check]]:
    """Have the coordinator state its first release, and the auditor check that and a forgery of it.

    Args:
        scene: of the co-op.
        title: what the statement is about, in words.
    """
    made: list[Statement] = []

    def honest() -> tuple[bool, str]:
        made.append(_state(scene, title))
        return True, made[0].said[1]

    def forged() -> tuple[bool, str]:
        if not made:
            return False, "there was nothing to forge"
        plain = json.loads((scene.out / made[0].file).read_text(encoding="utf-8"))
        plain["document"]["made_at"] = "2000-01-01T00:00:00Z"
        file = scene.work / "forged-statement.json"
        file.write_text(json.dumps(plain), encoding="utf-8")
        return True, _refusal(
            scene.commands.run("audit", "statement", str(file), "--key", _coordinator_key(scene), expect=1)
        )

    checks = [
        attempt(f"The {title}, checked as an auditor", "it follows from what was signed", honest),
        attempt(f"The {title}, with one date changed, as a control", "refused", forged),
    ]
    return (made[0] if made else None), checks


def check_log(scene: Scene) -> tuple[LogRead | None, list[Check]]:
    """Verify the coordinator's log against what shops witnessed of it, and a copy from before the release."""
    read: list[LogRead] = []

    def whole() -> tuple[bool, str]:
        said = scene.commands.run("audit", "verify", str(_log(scene)), *_witnesses(scene))
        lines = said.strip().splitlines()
        seen = sum(line.startswith("witness ") for line in lines)
        kinds = Counter(text(entry, "kind") for entry in _entries(_log(scene)))
        read.append(
            LogRead(
                owner="the coordinator",
                entries=sum(kinds.values()),
                witnesses=seen,
                kinds=tuple(sorted(kinds.items())),
                said=lines[-1],
            )
        )
        return seen == len(scene.shops), f"{sum(kinds.values()):,} entries, {seen} witnesses: {lines[-1]}"

    def rolled_back() -> tuple[bool, str]:
        copy = scene.work / "rolled-back-log"
        cut_before(_log(scene), copy, EntryKind.RELEASE)
        said = scene.commands.run("audit", "verify", str(copy), *_witnesses(scene), expect=1)
        found = [line for line in said.splitlines() if line.startswith(("Entry ", "Entries "))]
        return bool(found), found[0] if found else "no entry was named"

    checks = [
        attempt(
            "The coordinator's log, held against what every shop witnessed of it", "everything fits", whole
        ),
        attempt(
            "That log put back to before the release, signatures and all, as a control",
            "refused, naming the first entry that is missing",
            rolled_back,
        ),
    ]
    return (read[0] if read else None), checks


def cut_before(log: Path, copy: Path, kind: EntryKind) -> None:
    """Copy a log's folder as it was before its first entry of a kind: each head in the copy is a true one.

    Raises:
        SimulationsError: there is no such entry, or nothing before it.
    """
    place = next((at for at, entry in enumerate(_entries(log)) if text(entry, "kind") == kind.value), 0)
    heads = [line for line in _lines(log / HEADS) if int(line.split(b" ")[0]) <= place]
    if not heads:
        raise SimulationsError(f"The log holds nothing before an entry of the kind {kind.value}.")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o700)
    (copy / HEADS).write_bytes(b"".join(heads))
    (copy / ENTRIES).write_bytes(b"".join(_lines(log / ENTRIES)[: int(heads[-1].split(b" ")[0])]))


def _state(scene: Scene, title: str) -> Statement:
    name = scene.name or "coop"
    folder = scene.out / STATEMENTS / name
    scene.commands.run(
        *("coop", "statement", str(_RELEASE), "--out", str(folder), "--home", str(scene.coop_home))
    )
    file = folder / f"statement-{_RELEASE}.json"
    said = scene.commands.run("audit", "statement", str(file), "--key", _coordinator_key(scene))
    return Statement(
        title=title,
        page=f"{STATEMENTS}/{name}/statement-{_RELEASE}.html",
        file=f"{STATEMENTS}/{name}/statement-{_RELEASE}.json",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        said=tuple(line.strip() for line in said.strip().splitlines()),
    )


def _witnesses(scene: Scene) -> list[str]:
    """Return the options that name every shop's file of witnessed checkpoints, and all keys by the roster."""
    membership = load_membership(StoreHome(scene.shops[0].home))
    coop_id, coordinator = membership.coop_id, membership.coordinator_key
    log = log_key(coordinator_origin(coop_id), coordinator)
    with closing(connect(CoopHome.open(scene.coop_home).database)) as connection:
        members = current_members(connection)
    keys = [log] + [
        witness_key(store_origin(coop_id, each.member_id), each.signing_public_key) for each in members
    ]
    words = [word for key in keys for word in ("--key", key.to_text())]
    for shop in scene.shops:
        words += ["--witness", str(kept_file(StoreHome(shop.home).witness, log))]
    return words


def _coordinator_key(scene: Scene) -> str:
    """Return the coordinator's key as a member knows it since it joined."""
    return load_membership(StoreHome(scene.shops[0].home)).coordinator_key.hex()


def _log(scene: Scene) -> Path:
    return CoopHome.open(scene.coop_home).log


def _entries(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in _lines(log / ENTRIES)]


def _lines(path: Path) -> list[bytes]:
    """Return whole lines with their ends."""
    return [line + b"\n" for line in path.read_bytes().split(b"\n")[:-1]]


def _refusal(said: str) -> str:
    return said.strip().splitlines()[0].removeprefix("highstreet:").strip()
