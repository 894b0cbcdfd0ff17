"""The published vectors, checked by a second implementation made from docs/log.md: hashlib and Ed25519."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from highstreet.audit.evidence import read_notes
from highstreet.audit.log_entries import LogEntry
from highstreet.audit.merkle import verify_consistency, verify_inclusion
from highstreet.audit.signed_notes import NoteKey
from highstreet.audit.verifier import LogMaterial, verify_log
from highstreet.cli import main

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = json.loads((ROOT / "tests" / "vectors" / "log-v1.json").read_text(encoding="utf-8"))
LINES: list[bytes] = [text.encode() for text in VECTORS["entries"]]
LEAVES = [hashlib.sha256(b"\x00" + line).digest() for line in LINES]


def _root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + _root(leaves[:k]) + _root(leaves[k:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*_path(index, leaves[:k]), _root(leaves[k:])]
    return [*_path(index - k, leaves[k:]), _root(leaves[:k])]


def _subproof(first: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if is_whole else [_root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if first <= k:
        return [*_subproof(first, leaves[:k], is_whole), _root(leaves[k:])]
    return [*_subproof(first - k, leaves[k:], False), _root(leaves[:k])]


def _key(text: str) -> tuple[str, bytes, bytes]:
    name, key_id, encoded = text.split("+", 2)
    raw = base64.b64decode(encoded)
    hashed = hashlib.sha256(name.encode() + b"\n" + raw).digest()
    assert hashed[:4].hex() == key_id
    return name, hashed[:4], raw[1:]


def test_the_file_is_what_the_generator_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "log_vectors.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_entries_are_canonical_json() -> None:
    for line in LINES:
        value = json.loads(line)
        assert list(value) == ["at", "body", "format_version", "key", "kind"]
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        assert again.encode() == line


def test_leaves_and_roots_follow_from_the_entries() -> None:
    assert [leaf.hex() for leaf in LEAVES] == VECTORS["leaves"]
    assert [_root(LEAVES[:size]).hex() for size in range(len(LEAVES) + 1)] == VECTORS["roots"]


def test_proofs_follow_from_the_leaves() -> None:
    for case in VECTORS["inclusion"]:
        assert [step.hex() for step in _path(case["index"], LEAVES[: case["size"]])] == case["proof"]
    for case in VECTORS["consistency"]:
        if case["first"] in {0, case["second"]}:
            assert case["proof"] == []
        else:
            proof = _subproof(case["first"], LEAVES[: case["second"]], True)
            assert [step.hex() for step in proof] == case["proof"]


def test_heads_are_signed_as_the_document_says() -> None:
    name, key_id, public = _key(VECTORS["keys"]["log"])
    for size, line in enumerate(VECTORS["heads"], start=1):
        written, root, signed = line.removesuffix("\n").split(" ")
        assert (int(written), base64.b64decode(root)) == (size, _root(LEAVES[:size]))
        raw = base64.b64decode(signed)
        assert raw[:4] == key_id
        text = f"{name}\n{size}\n{root}\n"
        Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())


def test_the_checkpoint_is_the_last_head_as_a_note() -> None:
    name, key_id, _ = _key(VECTORS["keys"]["log"])
    size, root, signed = VECTORS["heads"][-1].removesuffix("\n").split(" ")
    assert base64.b64decode(signed)[:4] == key_id
    assert VECTORS["checkpoint"] == f"{name}\n{size}\n{root}\n\n\N{EM DASH} {name} {signed}\n"


def test_the_cosignature_is_over_time_and_text() -> None:
    name, key_id, public = _key(VECTORS["keys"]["witness"])
    text, _, below = VECTORS["cosigned"]["note"].rpartition("\n\n")
    line = below.split("\n")[1]
    assert line.startswith(f"\N{EM DASH} {name} ")
    raw = base64.b64decode(line.rsplit(" ", 1)[1])
    assert raw[:4] == key_id
    at = int.from_bytes(raw[4:12], "big")
    assert at == VECTORS["cosigned"]["at"]
    message = f"cosignature/v1\ntime {at}\n{text}\n".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(raw[12:], message)


def test_commitments_are_the_hashes_the_document_says() -> None:
    for case in VECTORS["commitments"]:
        domain = case["domain"].encode()
        parts = [b"highstreet/commitment/v1\x00", bytes([len(domain)]), domain]
        data = b"".join([*parts, bytes.fromhex(case["salt"]), bytes.fromhex(case["value"])])
        assert hashlib.sha256(data).hexdigest() == case["commitment"]


# The same vectors through the shipped code.


def test_the_shipped_verifier_takes_the_vectors_and_no_other_order() -> None:
    heads = [line.removesuffix("\n").encode() for line in VECTORS["heads"]]
    keys = [NoteKey.from_text(VECTORS["keys"][name]) for name in ("log", "witness")]
    brought = read_notes([VECTORS["cosigned"]["note"].encode()], where="vectors")
    verdict = verify_log(LogMaterial(entries=LINES, heads=heads), keys=keys, witnessed=brought)
    assert verdict.holds
    assert verdict.cosigned == {keys[1].name: 8}
    swapped = [*LINES[:3], LINES[4], LINES[3], *LINES[5:]]
    assert verify_log(LogMaterial(entries=swapped, heads=heads)).findings[0].first == 4


def test_the_shipped_proofs_take_the_vectors() -> None:
    roots = [bytes.fromhex(root) for root in VECTORS["roots"]]
    for case in VECTORS["inclusion"]:
        verify_inclusion(
            LEAVES[case["index"]],
            index=case["index"],
            size=case["size"],
            proof=[bytes.fromhex(step) for step in case["proof"]],
            root=roots[case["size"]],
        )
    for case in VECTORS["consistency"]:
        verify_consistency(
            first=case["first"],
            first_root=roots[case["first"]],
            second=case["second"],
            second_root=roots[case["second"]],
            proof=[bytes.fromhex(step) for step in case["proof"]],
        )


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["key"])
def test_the_shipped_reader_takes_every_entry(line: bytes) -> None:
    assert LogEntry.from_document(line).document() == line


# Whole folders, through the command.

FOLDERS = ROOT / "tests" / "vectors" / "log-folders"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDERS / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_command_says_of_a_folder_what_it_has_to(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder, expected = FOLDERS / name, EXPECTED[name]
    words = ["audit", "verify", str(folder), "--key", str(folder / "keys")]
    for path in sorted(folder.glob("witness-*")):
        words += ["--witness", str(path)]
    assert main(words) == expected["exit"]
    said = capsys.readouterr().out
    place = re.search(r"^Entr(?:y|ies) (\d+)(?: to (\d+))?:", said, re.MULTILINE)
    found = (None, None) if place is None else (int(place[1]), int(place[2] or place[1]))
    assert found == (expected["first"], expected["last"])
    saw = re.findall(r"^witness   (\S+): saw (\d+) entries", said, re.MULTILINE)
    assert {each: int(size) for each, size in saw} == expected["cosigned"]


def test_there_are_folders_of_every_kind() -> None:
    assert {case["exit"] for case in EXPECTED.values()} == {0, 1, 2}
    assert set(EXPECTED) == {path.name for path in FOLDERS.iterdir() if path.is_dir()}
