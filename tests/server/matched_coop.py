"""A co-op of five shops after its matching, and what the sum of a training must be by plain arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matching_coop import MatchingCoop, matching_charter
from numpy.typing import NDArray
from trained_coop import NOW, VaultShop, counting_charter

from highstreet.audit.requests import mechanism_of
from highstreet.protos.rounds_pb2 import RoundRequest, SignedRequest

SHOPS = 5
#: Anna shops in four shops, Bert in three; nobody but Cara, Dora and Emil in one or two.
CUSTOMERS = {1: "anna bert cara", 2: "anna bert", 3: "anna bert dora", 4: "anna", 5: "dora emil"}


def coop_of(folder: Path, *, shops: int = 4, **unmatched: str) -> MatchingCoop:
    charter = counting_charter(matching_charter(), shops=shops)
    stores = [
        VaultShop(
            number,
            CUSTOMERS[number].split(),
            folder / f"shop {number}",
            unmatched=unmatched.get(f"s{number}", "").split(),
        )
        for number in range(1, SHOPS + 1)
    ]
    coop = MatchingCoop(folder, stores, charter)
    coop.clock.now = NOW
    return coop


def stores_of(coop: MatchingCoop) -> list[VaultShop]:
    return [shop for shop in coop.shops.values() if isinstance(shop, VaultShop)]


def matched_counts(coop: MatchingCoop, contributors: list[str] | None = None) -> dict[str, dict[str, int]]:
    """Hold the matching; what each store read, held against the truth."""
    coop.match()
    assert coop.ended() == ("finished", "")
    true, read = coop.true_counts(contributors), {}
    for shop in stores_of(coop):
        if shop.member_id in true:
            _, counts = shop.kept_counts()
            assert counts is not None
            # A person may meet others in every row and be unknown; whoever is counted is counted right.
            assert counts.items() <= true[shop.member_id].items()
            read[shop.member_id] = counts
    assert sum(len(counts) for counts in read.values()) >= sum(len(counts) for counts in true.values()) - 2
    return read


def request_of(coop: MatchingCoop, programme_id: str) -> RoundRequest:
    requests = dict(coop.rows("SELECT programme_id, request FROM rounds"))
    signed = SignedRequest.FromString(requests[programme_id])  # type: ignore[arg-type]  # a blob
    return RoundRequest.FromString(signed.request)


def assert_is_sum(
    coop: MatchingCoop,
    opened: NDArray[np.float64],
    weights: dict[str, dict[str, float]],
    *twins: dict[str, dict[str, float]],
    contributors: int = SHOPS,
) -> None:
    """Hold an opened sum against plain arithmetic with these weights, and against what it must not be.

    Along one direction the noise is one number: six of its stddevs is one run in 500 million.
    """
    mechanism = mechanism_of(coop.charter.plan.phases[0], coop.charter, participants=SHOPS)
    stddev, plain = mechanism.noise_stddev(contributors=contributors), _plain(coop, weights)
    assert abs((opened - plain) @ (plain / np.linalg.norm(plain))) < 6 * stddev
    for twin in twins:
        other = _plain(coop, twin)
        along = (other - plain) / np.linalg.norm(other - plain)
        assert abs((opened - plain) @ along) < 6 * stddev
        assert abs((opened - other) @ along) > 6 * stddev


def _plain(coop: MatchingCoop, weights: dict[str, dict[str, float]]) -> NDArray[np.float64]:
    return np.sum(
        [shop.plain_sum(coop.charter, weights.get(shop.member_id, {})) for shop in stores_of(coop)], axis=0
    )


def one_over(counts: dict[str, dict[str, int]], most: int) -> dict[str, dict[str, float]]:
    return {
        member_id: {name: 1 / k if k <= most else 0.0 for name, k in read.items()}
        for member_id, read in counts.items()
    }
