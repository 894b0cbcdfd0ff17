"""A matching of small shops that share customers, and whether each was counted right."""

from __future__ import annotations

from pathlib import Path

from matching_coop import MatchingCoop, Shop

from highstreet.protos.matching_pb2 import SignedMatchingRequest

CUSTOMERS = {1: "anna bert cara", 2: "anna bert", 3: "anna dora", 4: "anna", 5: "dora emil", 6: ""}


def shops_of(count: int = 5, **silent: str) -> list[Shop]:
    return [
        Shop(number, CUSTOMERS[number].split(), silent=silent.get(f"s{number}", "").split())
        for number in range(1, count + 1)
    ]


def coop_of(folder: Path, count: int = 5, **silent: str) -> MatchingCoop:
    return MatchingCoop(folder, shops_of(count, **silent))


def ids_of(*numbers: int) -> list[str]:
    return [f"{number:016x}" for number in numbers]


def folder_in(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def assert_counted(coop: MatchingCoop, contributors: list[str] | None = None) -> None:
    for member_id, true in coop.true_counts(contributors).items():
        read = coop.shops[member_id].read
        assert read is not None
        # A person may meet others in every row and be unknown; whoever is counted is counted right.
        assert read.items() <= true.items()
        assert len(read) >= len(true) - 1


def holders_of(coop: MatchingCoop) -> list[Shop]:
    return [
        coop.shops[str(row[0])]
        for row in coop.rows(
            "SELECT DISTINCT member_id FROM matching_messages WHERE part = 'key' ORDER BY member_id"
        )
    ]


def signed_request(coop: MatchingCoop) -> SignedMatchingRequest:
    (row,) = coop.rows("SELECT request FROM matchings")
    return SignedMatchingRequest.FromString(row[0])  # type: ignore[arg-type]  # a blob
