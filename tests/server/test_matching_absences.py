"""A matching without some of its holders or stores counts the others, or fails and tells nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from counted_shops import assert_counted, coop_of, folder_in, holders_of, signed_request
from matching_coop import Shop

from highstreet.audit.matchings import drawn_holders
from highstreet.protos.matching_pb2 import MatchingRequest
from highstreet.protos.rounds_pb2 import ReadCounts, RoundMessage, RoundReply, SignedReply
from highstreet.protos.secure_sum_pb2 import SumEvidence
from highstreet.server.database import connect
from highstreet.server.matchings import request_matching
from highstreet.server.programme_run import roster_sha256


@pytest.mark.parametrize("step", ["offer", "evaluate"])
def test_without_a_holder_the_matching_fails_and_another_with_other_holders_does_not(
    tmp_path: Path, step: str
) -> None:
    whole = coop_of(folder_in(tmp_path, "whole"))
    whole.match()
    gone = holders_of(whole)[0].number
    coop = coop_of(tmp_path, **{f"s{gone}": step})
    coop.match()
    state, failure = coop.ended()
    assert state == "failed"
    assert f"shop {gone}" in failure
    assert "highstreet coop match" in failure
    assert all(shop.counts.read == {} for shop in coop.shops.values())
    for attempt in range(100):  # as `request_matching` draws: until the silent one holds no key
        matching_id = f"{attempt:016x}"
        with closing(connect(coop.database)) as connection:
            roster = roster_sha256(connection, coop.charter, coop.key)
        drawn = drawn_holders(
            coop.shops,
            coop_id=coop.charter.coop.id,
            matching_id=matching_id,
            roster_sha256=roster,
            colluders=1,
        )
        if coop.stores[gone].member_id not in drawn:
            break
    coop.again(matching_id)
    coop.match()
    assert coop.rows("SELECT state FROM programmes ORDER BY number") == [("failed",), ("finished",)]
    assert_counted(coop)


def test_asking_again_passes_over_holders_who_were_silent(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s1="offer", s2="offer", s3="offer", s4="offer", s5="offer")
    coop.match()
    with closing(connect(coop.database)) as connection:
        silent = set(MatchingRequest.FromString(signed_request(coop).request).holders)
        for _ in range(3):
            asked = request_matching(connection, coop.charter, coop.key, now=int(coop.clock()))
            drawn = drawn_holders(
                coop.shops,
                coop_id=coop.charter.coop.id,
                matching_id=asked.programme_id,
                roster_sha256=roster_sha256(connection, coop.charter, coop.key),
                colluders=1,
            )
            assert silent.isdisjoint(drawn)
            connection.execute("DELETE FROM programmes WHERE programme_id = ?", (asked.programme_id,))


def test_a_store_that_is_away_is_not_counted_and_the_others_are(tmp_path: Path) -> None:
    whole = coop_of(folder_in(tmp_path, "whole"))
    whole.match()
    holders = {shop.number for shop in holders_of(whole)}
    away = min(set(whole.stores) - holders)
    coop = coop_of(tmp_path, **{f"s{away}": "blind"})
    coop.match()
    assert coop.ended() == ("finished", "")
    others = [one for one in coop.shops if one != coop.stores[away].member_id]
    assert_counted(coop, others)
    assert coop.stores[away].counts.read == {}  # type: ignore[attr-defined]  # a shop


def test_too_few_answers_to_believe_fail_the_matching_and_nothing_is_told(tmp_path: Path) -> None:
    """Five seats, c = 1: t = 4 open the sum, and 5 are needed to show it."""
    coop = coop_of(tmp_path, s3="open")
    coop.match()
    state, failure = coop.ended()
    assert state == "failed"
    assert "5 are required" in failure
    assert all(shop.counts.read == {} for shop in coop.shops.values())


@pytest.mark.parametrize("count", [3, 4])
def test_fewer_answers_than_t_plus_c_are_not_read(tmp_path: Path, count: int) -> None:
    coop = coop_of(tmp_path)

    def fewer(step: str, shop: Shop, body: bytes) -> bytes:
        if step != "read":
            return body
        message = RoundMessage.FromString(body)
        read = ReadCounts.FromString(message.match.read)
        evidence = SumEvidence.FromString(read.evidence)
        del evidence.answers[count:]
        read.evidence = evidence.SerializeToString(deterministic=True)
        message.match.read = read.SerializeToString(deterministic=True)
        return message.SerializeToString(deterministic=True)

    coop.bent = fewer
    coop.match()
    assert all(shop.counts.read == {} for shop in coop.shops.values())


def test_a_store_left_out_of_the_sum_uses_nothing_of_it_and_says_the_same(tmp_path: Path) -> None:
    """A true sum without its table is shown to a store: nobody learns from the reply that it noticed."""
    coop = coop_of(tmp_path)
    held: dict[str, bytes] = {}

    def too_late(step: str, shop: Shop, body: bytes) -> bytes:
        if step == "give" and shop.number == 5:
            return b"\x00 lost"
        return body

    coop.bent_reply = too_late
    coop.bent = lambda step, shop, body: held.setdefault(f"{step} {shop.number}", body)
    coop.match()
    assert coop.ended() == ("finished", "")
    left_out = coop.stores[5]
    assert isinstance(left_out, Shop)
    assert left_out.counts.read == {}
    assert "read" not in left_out.answers
    given = left_out.desk(coop).answer(held["read 1"])
    assert given.refusal is None
    assert left_out.read is None
    others = [one for one in coop.shops if one != left_out.member_id]
    assert_counted(coop, others)
    noticed = RoundReply.FromString(SignedReply.FromString(given.body).reply).match
    usual = coop.stores[1].answers["read"][0].body  # type: ignore[attr-defined]  # a shop
    assert noticed == RoundReply.FromString(SignedReply.FromString(usual).reply).match
