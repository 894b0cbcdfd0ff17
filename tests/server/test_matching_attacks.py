"""A coordinator that halves, asks in vain, shows a result again or asks for something else gets nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from counted_shops import assert_counted, coop_of, folder_in, ids_of
from matching_coop import DiskShop, MatchingCoop, Shop

from highstreet.audit.matching_requests import sign_matching_request
from highstreet.audit.matchings import drawn_holders, matching_request
from highstreet.privacy.secure_sum.field import from_bytes, to_bytes
from highstreet.privacy.secure_sum.signatures import Signed, sign
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
)
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumAnswer, SumEvidence


def test_the_coordinator_cannot_halve_with_a_members_help(tmp_path: Path) -> None:
    """One member of the committee answers for a half; t answers would hide it, t + c show it."""
    coop = coop_of(tmp_path)
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


def test_a_result_shown_again_or_of_another_matching_changes_nothing(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.match()
    shop = coop.stores[1]
    assert isinstance(shop, Shop)
    before = dict(shop.counts.read)
    (body,) = set(shop.bodies["read"])
    again = shop.desk(coop).answer(body)
    assert again.refusal is None
    assert shop.counts.read == before
    other = coop_of(folder_in(tmp_path, "other"))
    other.execute("UPDATE programmes SET programme_id = 'cccccccccccccccc'")
    other.match()
    foreign = other.stores[1]
    assert isinstance(foreign, Shop)
    message, theirs = RoundMessage.FromString(body), RoundMessage.FromString(foreign.bodies["read"][0])
    theirs.match.request.CopyFrom(message.match.request)
    fresh = coop_of(folder_in(tmp_path, "fresh"), s1="read")
    fresh.match()
    reader = fresh.stores[1]
    assert isinstance(reader, Shop)
    given = reader.desk(fresh).answer(theirs.SerializeToString())
    assert given.refusal is not None
    assert reader.counts.read == {}


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


def test_a_restored_store_is_in_no_matching_until_what_it_forgot_is_over(tmp_path: Path) -> None:
    """It may have given its table to another one: two sums in a period would count a person twice."""
    coop = coop_of(tmp_path)
    terms = coop.charter.matching
    assert terms is not None
    today = int(coop.clock()) // 86_400
    for shop in coop.shops.values():
        shop.restored_on = today + 1 - terms.period_days
    coop.match()
    assert coop.ended()[0] == "failed"
    holders = [shop for shop in coop.shops.values() if "offer" in shop.answers]
    assert holders
    for shop in coop.shops.values():
        assert {each.refusal for each in shop.answers.get("offer", [])} <= {REFUSAL_TOO_SOON}
        assert shop.secrets.kept == {}
        shop.restored_on = today - terms.period_days
    coop.again("b" * 16)
    coop.match()
    assert_counted(coop)


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
        ({"holders": ids_of(1, 9)}, REFUSAL_PARTICIPANTS),
        ({"participants": ids_of(1, 2, 3, 4, 9)}, REFUSAL_PARTICIPANTS),
        ({"participants": ids_of(1, 2, 3)}, REFUSAL_RELEASE),
        ({"participants": ids_of(2, 3, 4, 5)}, REFUSAL_PARTICIPANTS),
        (
            {"participants": ids_of(1, 2, 3, 4)},
            REFUSAL_PARTICIPANTS,
        ),  # a fifth counts, and could be matched apart
    ],
)
def test_a_request_that_is_not_what_the_store_agreed_to_is_refused_and_begins_nothing(
    tmp_path: Path, change: dict[str, object], code: int
) -> None:
    coop = coop_of(tmp_path)
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
