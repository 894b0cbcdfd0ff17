"""A matching from its request to the stores' counts, with both rooms' own code."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from matching_coop import CrashError, DiskShop, MatchingCoop, Shop

from highstreet.audit.matching_requests import sign_matching_request
from highstreet.audit.matchings import drawn_holders, matching_request
from highstreet.client.matching_state import MatchingState
from highstreet.privacy.secure_sum.field import from_bytes, to_bytes
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import MatchingRequest, SignedMatchingRequest
from highstreet.protos.rounds_pb2 import (
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_MATCHING,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_SIGNATURE,
    REFUSAL_TOO_SOON,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    MatchStep,
    ReadCounts,
    RoundMessage,
    RoundReply,
    SignedReply,
)
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumAnswer, SumEvidence
from highstreet.server.database import connect
from highstreet.server.matchings import request_matching
from highstreet.server.programme_run import roster_sha256

CUSTOMERS = {1: "anna bert cara", 2: "anna bert", 3: "anna dora", 4: "anna", 5: "dora emil", 6: ""}


def _shops(count: int = 5, **silent: str) -> list[Shop]:
    return [
        Shop(number, CUSTOMERS[number].split(), silent=silent.get(f"s{number}", "").split())
        for number in range(1, count + 1)
    ]


def _coop(folder: Path, count: int = 5, **silent: str) -> MatchingCoop:
    return MatchingCoop(folder, _shops(count, **silent))


def _ids(*numbers: int) -> list[str]:
    return [f"{number:016x}" for number in numbers]


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _assert_counted(coop: MatchingCoop, contributors: list[str] | None = None) -> None:
    for member_id, true in coop.true_counts(contributors).items():
        read = coop.shops[member_id].read
        assert read is not None
        # A person may meet others in every row and be unknown; whoever is counted is counted right.
        assert read.items() <= true.items()
        assert len(read) >= len(true) - 1


def test_every_store_learns_at_how_many_shops_its_customers_shop(tmp_path: Path) -> None:
    coop = _coop(tmp_path)
    coop.match()
    assert coop.ended() == ("finished", "")
    _assert_counted(coop)
    for shop in coop.shops.values():
        assert shop.secrets.under_way() == ()


def _assert_one_voice(coop: MatchingCoop) -> None:
    """However often a store was asked for one thing, the bytes were the same; and so was what it gave."""
    for shop in coop.shops.values():
        for step, bodies in shop.bodies.items():
            assert len(set(bodies)) == 1, step
        for step, answers in shop.answers.items():
            # Proofs are made anew each time, of the same evaluations.
            assert len({given.body for given in answers}) == 1 or step == "evaluate"


@pytest.mark.slow
def test_wherever_the_coordinator_crashes_the_matching_goes_on_with_one_voice() -> None:
    with tempfile.TemporaryDirectory() as folder:
        used = 10**9 - _coop(Path(folder), count=4).match().calls
    assert used > 20
    for calls in range(0, used):
        with tempfile.TemporaryDirectory() as folder:
            coop = _coop(Path(folder), count=4)
            with pytest.raises(CrashError):
                coop.match(calls=calls)
            coop.match()
            assert coop.ended() == ("finished", "")
            _assert_counted(coop)
            _assert_one_voice(coop)


@pytest.mark.parametrize("step", ["offer", "blind", "evaluate", "give", "agree", "open", "read"])
def test_a_store_that_crashes_before_its_answer_leaves_gives_the_same_again(
    tmp_path: Path, step: str
) -> None:
    coop = _coop(tmp_path)
    lost: set[str] = set()

    def lose_the_first(asked: str, shop: Shop, body: bytes) -> bytes:
        if asked == step and shop.member_id not in lost:
            lost.add(shop.member_id)
            return b"\x00 cut off"
        return body

    coop.bent_reply = lose_the_first
    coop.match()
    assert coop.ended() == ("finished", "")
    _assert_counted(coop)
    _assert_one_voice(coop)


def _holders(coop: MatchingCoop) -> list[Shop]:
    return [
        coop.shops[str(row[0])]
        for row in coop.rows(
            "SELECT DISTINCT member_id FROM matching_messages WHERE part = 'key' ORDER BY member_id"
        )
    ]


@pytest.mark.parametrize("step", ["offer", "evaluate"])
def test_without_a_holder_the_matching_fails_and_another_with_other_holders_does_not(
    tmp_path: Path, step: str
) -> None:
    whole = _coop(_folder(tmp_path, "whole"))
    whole.match()
    gone = _holders(whole)[0].number
    coop = _coop(tmp_path, **{f"s{gone}": step})
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
    _assert_counted(coop)


def test_asking_again_passes_over_holders_who_were_silent(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s1="offer", s2="offer", s3="offer", s4="offer", s5="offer")
    coop.match()
    with closing(connect(coop.database)) as connection:
        silent = set(MatchingRequest.FromString(_signed(coop).request).holders)
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
    whole = _coop(_folder(tmp_path, "whole"))
    whole.match()
    holders = {shop.number for shop in _holders(whole)}
    away = min(set(whole.stores) - holders)
    coop = _coop(tmp_path, **{f"s{away}": "blind"})
    coop.match()
    assert coop.ended() == ("finished", "")
    others = [one for one in coop.shops if one != coop.stores[away].member_id]
    _assert_counted(coop, others)
    assert coop.stores[away].counts.read == {}  # type: ignore[attr-defined]  # a shop


def test_too_few_answers_to_believe_fail_the_matching_and_nothing_is_told(tmp_path: Path) -> None:
    """Five seats, c = 1: t = 4 open the sum, and 5 are needed to show it."""
    coop = _coop(tmp_path, s3="open")
    coop.match()
    state, failure = coop.ended()
    assert state == "failed"
    assert "5 are required" in failure
    assert all(shop.counts.read == {} for shop in coop.shops.values())


def test_a_second_matching_in_the_period_is_refused_by_every_store(tmp_path: Path) -> None:
    coop = _coop(tmp_path)
    coop.match()
    coop.again("b" * 16)
    coop.match()
    assert "too_soon" in str(coop.rows("SELECT failure FROM programmes ORDER BY number")[1][0])
    _assert_counted(coop)


def test_the_coordinator_cannot_halve_with_a_members_help(tmp_path: Path) -> None:
    """One member of the committee answers for a half; t answers would hide it, t + c show it."""
    coop = _coop(tmp_path)
    shown: list[bytes] = []

    def halve(step: str, shop: Shop, body: bytes) -> bytes:
        if step != "read":
            return body
        message = RoundMessage.FromString(body)
        read = ReadCounts.FromString(message.match.read)
        evidence = SumEvidence.FromString(read.evidence)
        liar = evidence.answers[-1]
        answer = SumAnswer.FromString(liar.answer)
        values = from_bytes(answer.values, dimension=len(answer.values) // 4)
        answer.values = to_bytes((values // 2).astype(np.uint32))
        content = answer.SerializeToString(deterministic=True)
        key = coop.shops[answer.member_id].signing
        evidence.answers[-1].CopyFrom(
            SignedSumAnswer(answer=content, signature=sign(Signed.SUM_ANSWER, content, key))
        )
        read.evidence = evidence.SerializeToString(deterministic=True)
        message.match.read = read.SerializeToString(deterministic=True)
        shown.append(body)
        return message.SerializeToString(deterministic=True)

    coop.bent = halve
    coop.match()
    assert shown
    for shop in coop.shops.values():
        (given,) = shop.answers["read"]
        assert given.refusal == REFUSAL_MATCHING
        assert shop.counts.read == {}


@pytest.mark.parametrize("count", [3, 4])
def test_fewer_answers_than_t_plus_c_are_not_read(tmp_path: Path, count: int) -> None:
    coop = _coop(tmp_path)

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
    coop = _coop(tmp_path)
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
    _assert_counted(coop, others)
    noticed = RoundReply.FromString(SignedReply.FromString(given.body).reply).match
    usual = coop.stores[1].answers["read"][0].body  # type: ignore[attr-defined]  # a shop
    assert noticed == RoundReply.FromString(SignedReply.FromString(usual).reply).match


def test_a_result_shown_again_or_of_another_matching_changes_nothing(tmp_path: Path) -> None:
    coop = _coop(tmp_path)
    coop.match()
    shop = coop.stores[1]
    assert isinstance(shop, Shop)
    before = dict(shop.counts.read)
    (body,) = set(shop.bodies["read"])
    again = shop.desk(coop).answer(body)
    assert again.refusal is None
    assert shop.counts.read == before
    other = _coop(_folder(tmp_path, "other"))
    other.execute("UPDATE programmes SET programme_id = 'cccccccccccccccc'")
    other.match()
    foreign = other.stores[1]
    assert isinstance(foreign, Shop)
    message, theirs = RoundMessage.FromString(body), RoundMessage.FromString(foreign.bodies["read"][0])
    theirs.match.request.CopyFrom(message.match.request)
    fresh = _coop(_folder(tmp_path, "fresh"), s1="read")
    fresh.match()
    reader = fresh.stores[1]
    assert isinstance(reader, Shop)
    given = reader.desk(fresh).answer(theirs.SerializeToString())
    assert given.refusal is not None
    assert reader.counts.read == {}


def test_keys_and_tags_are_gone_once_the_time_of_a_matching_has_passed(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s1="read", s2="read")
    coop.match()
    assert coop.ended() == ("finished", "")
    shop = coop.stores[1]
    assert isinstance(shop, Shop)
    assert len(shop.secrets.under_way()) == 1
    coop.clock.now += 1
    books = shop.desk(coop)._matching._books  # type: ignore[union-attr]
    books.end_expired(coop.clock())
    assert shop.secrets.under_way() == ()
    assert all(kept.store is kept.matched is kept.holder is None for kept in shop.secrets.kept.values())


def test_who_withdraws_before_the_table_is_given_is_in_no_count(tmp_path: Path) -> None:
    coop = _coop(tmp_path)

    def withdraw(step: str, shop: Shop, body: bytes) -> bytes:
        if step == "give" and shop.number == 1:
            shop.customers.discard("anna")
        return body

    coop.bent = withdraw
    coop.match()
    first = coop.stores[1]
    assert isinstance(first, Shop)
    assert first.read is not None
    assert "anna" not in first.read
    _assert_counted(coop)


@pytest.mark.parametrize("at", ["give", "read"])
def test_who_has_another_address_than_in_the_list_has_no_count(tmp_path: Path, at: str) -> None:
    coop = _coop(tmp_path)

    def correct(step: str, shop: Shop, body: bytes) -> bytes:
        if step == at and shop.number == 1:
            shop.emails = {"anna": "hannah@example.org", "cara": " CARA@example.org"}
        return body

    coop.bent = correct
    coop.match()
    first, second = coop.shops[_ids(1)[0]].read, coop.shops[_ids(2)[0]].read
    assert first is not None
    assert second is not None
    assert "anna" not in first
    # The twin: Cara is the same person in another spelling. Somebody may be unknown by chance.
    assert len(first.keys() & {"bert", "cara"}) >= 1
    # Before the table the shop is not counted for her any more, later it is, until the next matching.
    assert second.get("anna", 0) in (0, 3 if at == "give" else 4)


def test_asking_in_vain_leaves_nothing_on_a_stores_disk(tmp_path: Path) -> None:
    (tmp_path / "shops").mkdir()
    shops = [DiskShop(number, {"1", "2"}, tmp_path / "shops" / str(number)) for number in range(1, 6)]
    coop = MatchingCoop(tmp_path, shops)
    first = shops[0]
    deadlines: list[int] = []

    def watch(step: str, shop: Shop, body: bytes) -> bytes:
        if shop is first and step == "give":
            deadlines.append(len(list((first.folder / "matchings").glob("*.deadline"))))
        return body

    coop.bent = watch
    coop.match()
    assert coop.ended() == ("finished", "")
    assert deadlines == [1]  # the twin: of a matching under way it is there
    refused = 0
    for number in range(12):
        request = matching_request(
            coop.charter,
            matching_id=f"{number + 100:016x}",
            roster_sha256=b"r" * 32,
            participants=[shop.member_id for shop in shops],
            opened_at=int(coop.clock()),
        )
        if first.member_id not in request.holders:
            continue
        step = MatchStep(request=sign_matching_request(request, coop.key))
        step.offer = True
        first.answer(RoundMessage(match=step).SerializeToString(), coop)
        assert first.answers["offer"][-1].refusal == REFUSAL_TOO_SOON
        refused += 1
    assert refused > 2
    assert list((first.folder / "matchings").glob("*.deadline")) == []


def test_who_withdraws_once_the_table_is_given_has_no_count_and_the_others_are_counted_right(
    tmp_path: Path,
) -> None:
    coop = _coop(tmp_path)
    true = coop.true_counts()

    def withdraw(step: str, shop: Shop, body: bytes) -> bytes:
        if step == "read" and shop.number == 1:
            shop.customers.discard("anna")
        return body

    coop.bent = withdraw
    coop.match()
    first = coop.stores[1]
    assert isinstance(first, Shop)
    assert first.read is not None
    assert "anna" not in first.read
    assert len(first.read.keys() & {"bert", "cara"}) >= 1  # one may be unknown
    for shop in coop.shops.values():
        assert shop.read is not None
        assert shop.read.items() <= true[shop.member_id].items()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"charter_sha256": b"c" * 32}, REFUSAL_CHARTER),
        ({"identifiers_per_store": 6}, REFUSAL_RELEASE),
        ({"identifier_kind": "loyalty-number"}, REFUSAL_RELEASE),
        ({"deadline_unix_seconds": 10**9}, REFUSAL_DEADLINE),
        ({"opened_unix_seconds": 10**6}, REFUSAL_DEADLINE),
        ({"coop_id": "1" * 32}, REFUSAL_WRONG_COOP),
        ({"format_version": 2}, REFUSAL_VERSION),
        ({"matching_id": "../../etc/passwd"}, REFUSAL_UNREADABLE),
        ({"holders": _ids(1, 9)}, REFUSAL_PARTICIPANTS),
        ({"participants": _ids(1, 2, 3, 4, 9)}, REFUSAL_PARTICIPANTS),
        ({"participants": _ids(1, 2, 3)}, REFUSAL_RELEASE),
        ({"participants": _ids(2, 3, 4, 5)}, REFUSAL_PARTICIPANTS),
        (
            {"participants": _ids(1, 2, 3, 4)},
            REFUSAL_PARTICIPANTS,
        ),  # a fifth counts, and could be matched apart
    ],
)
def test_a_request_that_is_not_what_the_store_agreed_to_is_refused_and_begins_nothing(
    tmp_path: Path, change: dict[str, object], code: int
) -> None:
    coop = _coop(tmp_path)
    shop = coop.stores[1]
    assert isinstance(shop, Shop)
    request = matching_request(
        coop.charter,
        matching_id="a" * 16,
        roster_sha256=b"r" * 32,
        participants=list(coop.shops),
        opened_at=int(coop.clock()),
    )
    for name, value in change.items():
        if isinstance(value, list):
            request.ClearField(name)  # type: ignore[arg-type]  # a field's name
            getattr(request, name).extend(value)
            if name == "participants":
                drawn = drawn_holders(
                    value, coop_id="0" * 32, matching_id="a" * 16, roster_sha256=b"r" * 32, colluders=1
                )
                request.ClearField("holders")
                request.holders.extend(drawn)
        else:
            setattr(request, name, value)
    step = MatchStep(request=sign_matching_request(request, coop.key), blind=b"")
    given = shop.desk(coop).answer(RoundMessage(match=step).SerializeToString())
    assert given.refusal == code
    assert shop.secrets.kept == {}
    stranger = MatchStep(request=sign_matching_request(request, shop.signing), blind=b"")
    given = shop.desk(coop).answer(RoundMessage(match=stranger).SerializeToString())
    assert given.refusal == REFUSAL_SIGNATURE


def _signed(coop: MatchingCoop) -> SignedMatchingRequest:
    (row,) = coop.rows("SELECT request FROM matchings")
    return SignedMatchingRequest.FromString(row[0])  # type: ignore[arg-type]  # a blob


def test_the_matching_runs_over_books_on_the_shops_disks_closed_after_every_message(tmp_path: Path) -> None:
    customers = {1: "1 2 3", 2: "1 2", 3: "1 4", 4: "1", 5: "4 5"}
    shops = [
        DiskShop(number, each.split(), _folder(tmp_path, f"shops-{number}") / "books")
        for number, each in customers.items()
    ]
    coop = MatchingCoop(tmp_path, shops)
    coop.match()
    assert coop.ended() == ("finished", "")
    _assert_counted(coop)
    for shop in shops:
        with MatchingState.open(shop.folder / "matching.db", vault_id="0" * 32) as state:
            assert state.under_way() == ()
    coop.again("b" * 16)
    coop.match()
    assert "too_soon" in str(coop.rows("SELECT failure FROM programmes ORDER BY number")[1][0])
