"""Write what another verifier of logs can be tested with, in tests/vectors; --check compares.

`log-v1.json` holds entries, hashes, proofs and signatures; `log-folders` whole folders, in order and tampered
with, and `expected.json` with what has to be said of each. Everything follows from fixed seeds and times.
Keys in it are public: never use them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from log_folders import expectations, make_folders

from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, store_origin, witness_key
from highstreet.audit.commitments import commit
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.merkle import MerkleTree
from highstreet.audit.signed_notes import SignedNote, cosign_text
from highstreet.audit.signing import public_key_bytes

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "vectors"
FOLDERS = VECTORS / "log-folders"
COOP_ID = "ab" * 16
ORIGIN = coordinator_origin(COOP_ID)
WITNESS = store_origin(COOP_ID, "cd" * 8)
BEGAN = 1_800_000_000


def _seed(text: str) -> bytes:
    return hashlib.sha256(f"highstreet log vectors 1 {text}".encode()).digest()


def _key(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_seed(text))


def _entries(public_key: bytes) -> list[LogEntry]:
    sha = hashlib.sha256
    programme = "0123456789abcdef"
    drafts = [
        LogOwner(origin=ORIGIN, role="coordinator", coop_id=COOP_ID).opening(public_key),
        EntryDraft(
            kind=EntryKind.MEMBERSHIP,
            key=f"member/{'cd' * 8}/joined",
            body={"step": "joined", "member_id": "cd" * 8, "keys_sha256": sha(b"keys").hexdigest()},
        ),
    ]
    for number, phase in enumerate(("popularity", "gradients-1", "gradients-2")):
        about: dict[str, Json] = {
            "run": "training",
            "programme_id": programme,
            "round": number,
            "phase": phase,
        }
        name = f"round/{programme}/{number}"
        request = {"document_sha256": sha(b"request %d" % number).hexdigest()}
        drafts += [
            EntryDraft(
                kind=EntryKind.ROUND, key=f"{name}/opened", body={**about, "step": "opened", **request}
            ),
            EntryDraft(
                kind=EntryKind.ROUND,
                key=f"{name}/closed",
                body={**about, "step": "closed", "contributors": 5},
            ),
        ]
    drafts += [
        EntryDraft(
            kind=EntryKind.SPEND,
            key="spend/1",
            body={"event": "spend", "sequence": 1, "chain": sha(b"1").hexdigest(), "noise_multiplier": 5.25},
        ),
        EntryDraft(
            kind=EntryKind.CONSENT_ROOT, key="consent/7", body={"position": 7, "root": sha(b"7").hexdigest()}
        ),
        EntryDraft(
            kind=EntryKind.RELEASE,
            key="release/1/published",
            body={"step": "published", "number": 1, "manifest_sha256": sha(b"manifest").hexdigest()},
        ),
    ]
    return [LogEntry(at=BEGAN + 61 * number, draft=draft) for number, draft in enumerate(drafts)]


def make() -> dict[str, object]:
    """Return all vectors."""
    log, witness = _key("log"), _key("witness")
    entries = _entries(public_key_bytes(log))
    tree = MerkleTree(entry.leaf() for entry in entries)
    sizes = range(1, len(tree) + 1)
    heads = [Checkpoint(origin=ORIGIN, size=size, root=tree.root(size)).sign(log) for size in sizes]
    seen = heads[7].note()
    line = cosign_text(seen.text, name=WITNESS, private_key=witness, at=BEGAN + 600)
    cosigned = SignedNote(text=seen.text, signatures=(*seen.signatures, line))
    salt = _seed("salt")
    return {
        "version": 1,
        "keys": {
            "log_seed": _seed("log").hex(),
            "witness_seed": _seed("witness").hex(),
            "log": log_key(ORIGIN, public_key_bytes(log)).to_text(),
            "witness": witness_key(WITNESS, public_key_bytes(witness)).to_text(),
        },
        "entries": [entry.document().decode() for entry in entries],
        "leaves": [entry.leaf().hex() for entry in entries],
        "roots": [tree.root(size).hex() for size in range(len(tree) + 1)],
        "inclusion": [
            {
                "index": index,
                "size": size,
                "proof": [step.hex() for step in tree.inclusion_proof(index, size)],
            }
            for size in sizes
            for index in range(size)
        ],
        "consistency": [
            {
                "first": first,
                "second": size,
                "proof": [step.hex() for step in tree.consistency_proof(first, size)],
            }
            for size in sizes
            for first in range(size + 1)
        ],
        "heads": [head.to_line().decode() for head in heads],
        "checkpoint": heads[-1].note().to_bytes().decode(),
        "cosigned": {"note": cosigned.to_bytes().decode(), "at": BEGAN + 600, "size": 8},
        "commitments": [
            {
                "salt": salt.hex(),
                "domain": domain,
                "value": value.hex(),
                "commitment": commit(salt, value, domain=domain).hex(),
            }
            for domain, value in (
                ("customer", b"c-1"),
                ("customer", b""),
                ("consent/event", bytes(range(64))),
            )
        ],
    }


def files() -> dict[Path, bytes]:
    """Return every file that there is to be."""
    keys = {name: _key(name) for name in ("log", "mill", "oak", "stranger")}
    cases = make_folders(keys, coop_id=COOP_ID, began=BEGAN)
    made = {
        FOLDERS / folder / name: content
        for folder, case in cases.items()
        for name, content in case.files.items()
    }
    made[FOLDERS / "expected.json"] = expectations(cases)
    made[VECTORS / "log-v1.json"] = (json.dumps(make(), indent=1, ensure_ascii=False) + "\n").encode()
    return made


def main() -> int:
    """Write or check the vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file differs")
    is_check = parser.parse_args().check
    made = files()
    there = {path: path.read_bytes() for path in VECTORS.rglob("*") if path.is_file()}
    if is_check:
        return 0 if there == made else 1
    for path in there.keys() - made.keys():
        path.unlink()
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
