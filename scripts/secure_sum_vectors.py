"""Write docs/secure-sum/vectors.json, the secure sum's known answers; with --check, fail when they differ."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    CommitteeTerms,
    CountedMembers,
    Member,
    MemberKeys,
    Opening,
    RoundContext,
    choose_committee,
    contribute,
)
from highstreet.privacy.secure_sum.field import HALF
from highstreet.privacy.secure_sum.keystream import expand_seed

VECTORS = Path(__file__).resolve().parent.parent / "docs" / "secure-sum" / "vectors.json"
#: Word 561 of its keystream is p with the highest bit cleared, and is dropped.
SEED_WITH_A_DROPPED_WORD = hashlib.sha256(b"highstreet dropped word 931843").digest()
#: The first `late` seats are away when the set is agreed to, and answer all the same.
SHAPES = (
    {
        "members": 4,
        "committee_size": 3,
        "colluders": 1,
        "floor": 3,
        "contributors": 3,
        "late": 0,
    },
    {
        "members": 7,
        "committee_size": 5,
        "colluders": 1,
        "floor": 3,
        "contributors": 5,
        "late": 0,
    },
    {
        "members": 9,
        "committee_size": 9,
        "colluders": 2,
        "floor": 4,
        "contributors": 4,
        "late": 3,
    },
)
INTEGERS = (
    [0, 1, -1, HALF, -HALF, 123_456_789],
    [0, -1, 1, 0, 0, -987_654_321],
    [7, 2, -3, -5, 5, 1],
    [-7, 1 << 20, -(1 << 20), 0, 0, 42],
    [1, 1, 1, 0, 0, 1_000_000],
)


def _secret(label: str) -> bytes:
    return hashlib.sha256(f"highstreet secure sum vector: {label}".encode()).digest()


def _recorded(label: str, drawn: list[bytes]) -> Callable[[int], bytes]:
    """Return fixed entropy that keeps what it gave."""

    def entropy(count: int) -> bytes:
        drawn.append(hashlib.shake_256(_secret(f"{label} {len(drawn)}")).digest(count))
        return drawn[-1]

    return entropy


def _keys(shape: int, count: int) -> dict[str, MemberKeys]:
    return {
        _secret(f"{shape} member {number}").hex()[:16]: MemberKeys(
            Ed25519PrivateKey.from_private_bytes(_secret(f"{shape} signing {number}")),
            X25519PrivateKey.from_private_bytes(_secret(f"{shape} encryption {number}")),
        )
        for number in range(count)
    }


def _member(member_id: str, keys: MemberKeys) -> Member:
    return Member(
        member_id=member_id,
        signing_public_key=keys.signing.public_key().public_bytes_raw(),
        encryption_public_key=keys.encryption.public_key().public_bytes_raw(),
    )


def _round(number: int, shape: dict[str, int]) -> dict[str, Any]:
    """Run one whole round; return its inputs and every message."""
    keys = _keys(number, shape["members"])
    members = CountedMembers(_member(one, own) for one, own in keys.items())
    terms = {name: shape[name] for name in ("committee_size", "colluders", "floor")}
    draw = {
        "coop_id": "0123456789abcdef" * 2,
        "programme_id": "fedcba9876543210",
        "round_number": 258 + number,
    }
    committee = choose_committee(
        members,
        coop_id=str(draw["coop_id"]),
        programme_id=str(draw["programme_id"]),
        round_number=258 + number,
        roster_sha256=_secret(f"{number} roster"),
        terms=CommitteeTerms(**terms),
    )
    coordinator = Ed25519PrivateKey.from_private_bytes(_secret(f"{number} coordinator"))
    context = RoundContext(
        coop_id=str(draw["coop_id"]),
        request_sha256=_secret(f"{number} request"),
        coordinator_public_key=coordinator.public_key().public_bytes_raw(),
        members=members,
        committee=committee,
        floor=shape["floor"],
        dimension=len(INTEGERS[0]),
    )
    opening = Opening(context)
    contributions, headers = [], {}
    for member_id, integers in zip(list(keys)[: shape["contributors"]], INTEGERS, strict=False):
        drawn: list[bytes] = []
        made = contribute(
            context,
            np.array(integers, dtype=np.int64),
            member_id=member_id,
            signing_key=keys[member_id].signing,
            entropy=_recorded(f"{number} {member_id}", drawn),
        )
        opening.add_contribution(made.body)
        headers[member_id] = made.header_sha256
        contributions.append(
            {
                "contributor_id": member_id,
                "integers": integers,
                "ephemeral_private_key": drawn[0].hex(),
                "seeds": [seed.hex() for seed in drawn[1:]],
                "header_sha256": made.header_sha256.hex(),
                "contribution": made.body.hex(),
            }
        )
    seats = {
        member.member_id: CommitteeSeat(
            context=context,
            member_id=member.member_id,
            own_header_sha256=headers.get(member.member_id),
        )
        for member in committee.members
    }
    inspections = []
    shown = opening.inspections(coordinator)
    for member_id, seat in seats.items():
        request = shown.request(member_id)
        inspection = seat.inspect(request, keys[member_id])
        inspections.append(
            {"member_id": member_id, "inspection_request": request.hex(), "inspection": inspection.hex()}
        )
    announced = opening.announce(coordinator)
    agreements = []
    for member_id in list(seats)[shape["late"] :]:
        request = opening.agreement_request(member_id)
        agreement = seats[member_id].agree(request, keys[member_id]).release(lambda announced: None)
        opening.add_agreement(agreement)
        agreements.append(
            {"member_id": member_id, "agreement_request": request.hex(), "agreement": agreement.hex()}
        )
    answers = []
    for member_id, seat in seats.items():
        request = opening.sum_request(member_id)
        answer = seat.prepare(request, keys[member_id]).release(lambda announced: None)
        opening.add_answer(answer)
        answers.append({"member_id": member_id, "sum_request": request.hex(), "answer": answer.hex()})
    return {
        **draw,
        **terms,
        "roster_sha256": _secret(f"{number} roster").hex(),
        "request_sha256": context.request_sha256.hex(),
        "dimension": context.dimension,
        "coordinator_private_key": coordinator.private_bytes_raw().hex(),
        "members": [
            {
                "member_id": one,
                "signing_private_key": own.signing.private_bytes_raw().hex(),
                "encryption_private_key": own.encryption.private_bytes_raw().hex(),
            }
            for one, own in keys.items()
        ],
        "committee": [member.member_id for member in committee.members],
        "threshold": committee.threshold,
        "committee_sha256": committee.sha256().hex(),
        "contributions": contributions,
        "set_sha256": announced.hex(),
        "inspections": inspections,
        "agreements": agreements,
        "answers": answers,
        "sum": opening.open().values.tolist(),
    }


def _expansions() -> list[dict[str, Any]]:
    """Return what seeds stand for: the first values, and those around a dropped word."""
    wanted = ((bytes(32), 0, 4), (_secret("seed"), 0, 4), (SEED_WITH_A_DROPPED_WORD, 559, 563))
    return [
        {"seed": seed.hex(), "from": first, "values": expand_seed(seed, last)[first:].tolist()}
        for seed, first, last in wanted
    ]


def vectors() -> str:
    """Return the file's text."""
    value = {
        "format": "highstreet secure sum vectors",
        "version": 1,
        "modulus": 2**31 - 1,
        "expansions": _expansions(),
        "rounds": [_round(number, shape) for number, shape in enumerate(SHAPES)],
    }
    return json.dumps(value, indent=1) + "\n"


def main() -> int:
    """Write or check the vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when they differ")
    if parser.parse_args().check:
        if VECTORS.read_text(encoding="utf-8") != vectors():
            sys.stderr.write("docs/secure-sum/vectors.json differs from what the code makes\n")
            return 1
        return 0
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    VECTORS.write_text(vectors(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
