"""Messages of a matching: what the charter allows is carried, up to the limit, and no more is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import matching_coop
import pytest
from matching_coop import MatchingCoop, Shop, matching_charter

from highstreet.audit import matchings, requests
from highstreet.audit.charter import Charter, MatchingTerms
from highstreet.audit.errors import CharterError
from highstreet.audit.matchings import influence_of, refuse_impossible_matching, table_release
from highstreet.client import matching_papers, rounds
from highstreet.privacy.matching.limits import MAX_IDENTIFIERS
from highstreet.server.database import connect
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.matchings import request_matching

_STORES = 5
_LIMITS = matching_coop.LIMITS
#: In place of 64 MiB: so that a co-op is at the limit with some dozen identifiers a store.
_LIMIT_BYTES = 1 << 20


def _charter(identifiers: int) -> Charter:
    return replace(matching_charter(), matching=MatchingTerms(identifiers_per_store=identifiers))


@pytest.fixture
def small_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody refuses what is longer than the lower limit."""
    for module in (matchings, requests, rounds):
        monkeypatch.setattr(module, "MESSAGE_LIMIT_BYTES", _LIMIT_BYTES)
    monkeypatch.setattr(matching_papers, "_REPLY_LIMIT_BYTES", _LIMIT_BYTES)


def _most(stores: int) -> int:
    """The most identifiers a store that are not refused."""
    low, high = 1, MAX_IDENTIFIERS + 1
    while high - low > 1:
        middle = (low + high) // 2
        try:
            refuse_impossible_matching(_charter(middle), participants=stores)
            low = middle
        except CharterError:
            high = middle
    return low


@pytest.mark.usefixtures("small_messages")
def test_the_largest_matching_that_is_not_refused_is_carried_and_one_identifier_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching_coop, "LIMITS", replace(matching_coop.LIMITS, max_matching_delta=1e-2))
    most = _most(_STORES)
    everybody = [str(number) for number in range(most + 40)]
    customers = [everybody[number::_STORES] + everybody[: number * 10] for number in range(_STORES)]
    customers[0] = everybody  # more than may take part
    shops = [Shop(number, each) for number, each in enumerate(customers, start=1)]
    coop = MatchingCoop(tmp_path, shops, _charter(most))
    longest = {"asked": 0, "said": 0}

    def measure(way: str) -> Callable[[str, Shop, bytes], bytes]:
        def measured(step: str, shop: Shop, body: bytes) -> bytes:
            longest[way] = max(longest[way], len(body))
            return body

        return measured

    coop.bent, coop.bent_reply = measure("asked"), measure("said")
    coop.match()
    assert coop.ended() == ("finished", "")
    assert max(longest.values()) <= _LIMIT_BYTES
    # The limit is where it is because of what is sent, not far below it.
    assert longest["asked"] > 0.97 * _LIMIT_BYTES
    counted = 0
    for shop in shops[1:]:
        assert shop.read is not None
        true = coop.true_counts()[shop.member_id]
        # Of the first shop's customers as many take part as may; the others are not counted there.
        assert all(true[one] - 1 <= k <= true[one] for one, k in shop.read.items())
        counted += len(shop.read)
    assert shops[0].read is not None
    assert 0.95 * most < len(shops[0].read) <= most
    assert counted > 0.95 * sum(len(shop.customers) for shop in shops[1:])

    with closing(connect(coop.database)) as connection, pytest.raises(ProgrammeRefusedError) as refused:
        request_matching(connection, _charter(most + 1), coop.key, now=int(coop.clock()))
    said = refused.value.for_user()
    assert f"{_STORES} stores with {most + 1} identifiers each cannot be matched" in said
    assert "over 1 MiB" in said
    assert "fewer identifiers_per_store" in said


def test_all_lists_fit_into_one_message_to_a_holder_whatever_is_not_refused() -> None:
    """So they are never split: a list has 32 bytes an identifier, the table a hundred times that."""
    longest = 0
    for stores in range(4, 93):
        # Signature, ids and the label; evaluations have proofs instead.
        longest = max(longest, stores * (32 * (_most(stores) + 1) + (1 << 10)))
    assert 0 < longest < requests.MESSAGE_LIMIT_BYTES // 4


def test_a_store_refuses_a_table_over_its_own_limit_before_anything_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = [Shop(number, ["anna"]) for number in range(1, _STORES + 1)]
    coop = MatchingCoop(tmp_path, shops)
    needed = table_release(coop.charter, participants=_STORES).dimension
    monkeypatch.setattr(matching_coop, "LIMITS", replace(matching_coop.LIMITS, max_dimension=needed - 1))
    coop.match()
    state, failure = coop.ended()
    assert state == "failed"
    assert "gave no key in time (release)" in failure
    assert all(shop.secrets.kept == {} for shop in shops)
    assert {step for shop in shops for step in shop.answers} == {"offer"}


def test_a_store_refuses_a_table_that_adds_more_to_delta_than_it_allows_before_anything_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adds = float(influence_of(matching_charter(), participants=_STORES))
    for folder, allowed, ends in (
        ("a", math.nextafter(adds, 1), "finished"),
        ("b", math.nextafter(adds, 0), "failed"),
    ):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(matching_coop, "LIMITS", replace(_LIMITS, max_matching_delta=allowed))
        coop = MatchingCoop(tmp_path / folder, [Shop(n, ["anna"]) for n in range(1, _STORES + 1)])
        coop.match()
        state, failure = coop.ended()
        assert state == ends
    assert "gave no key in time (release)" in failure
    assert all(shop.secrets.kept == {} for shop in coop.shops.values())
