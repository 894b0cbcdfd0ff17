"""What tests type: shops that join a co-op by its commands, and vouch for each other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from highstreet.audit.canonical import canonical_json
from highstreet.audit.roster import read_roster
from highstreet.audit.vouches import sign_vouch
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.server.database import connect
from highstreet.server.membership import roster

Run = Callable[..., tuple[int, str, str]]


def join_by_code(run: Run, coop: Any, tmp_path: Path, name: str) -> tuple[int, str, str]:
    _, code, _ = run("coop", "invite", name, "--home", coop.home.root)
    return run("store", "join", code.strip(), "--home", tmp_path / name.replace(" ", "-"))


def three_join_and_vouch(run: Run, coop: Any, tmp_path: Path) -> None:
    """A, B and C join, and each vouches for both others."""
    for name in ("A", "B", "C"):
        join_by_code(run, coop, tmp_path, name)
    coop_id = coop.home.charter().coop.id
    with closing(connect(coop.home.database)) as connection:
        members = read_roster(canonical_json(roster(connection, coop_id))).members
        for voucher in members:
            key = load_identity(StoreHome(tmp_path / voucher.name)).signing
            for subject in members:
                if subject != voucher:
                    vouch = sign_vouch(coop_id, voucher.member_id, subject, key)
                    connection.execute(
                        "INSERT INTO vouches (voucher, subject, signature) VALUES (?, ?, ?)",
                        (vouch.voucher_id, vouch.subject_id, vouch.signature),
                    )
