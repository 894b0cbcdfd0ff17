"""The key holder: once for each member, for lists under the keys it saw, and only after a record."""

from __future__ import annotations

import os

import pytest

from highstreet.privacy.matching import (
    AnsweredList,
    HolderKeys,
    KeyHolder,
    MatchingRefusal,
    MatchingRefusedError,
)
from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.group import element_from_uniform
from highstreet.privacy.matching.wire import written
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import BlindedList, SignedBlindedList


@pytest.fixture
def asked(made_up_matching):
    """A matching, one holder of it and a member's list."""
    made_up = made_up_matching()
    member = made_up.ids[-1]
    body = made_up.list_of(made_up.store(member, ["ann", "bob"]))
    holder_id = made_up.context.holder_ids[0]
    return made_up, made_up.holders[holder_id], member, body


def evaluate(made_up, holder, body, keys=None):
    return holder.evaluate(body, keys or made_up.holder_keys(), made_up.keys[holder.member_id].signing)


def refusal_of(made_up, holder, body, keys=None):
    with pytest.raises(MatchingRefusedError) as refused:
        evaluate(made_up, holder, body, keys)
    return refused.value.code


def resigned(made_up, member, body, **changes):
    message = BlindedList.FromString(SignedBlindedList.FromString(body).list)
    for name, value in changes.items():
        setattr(message, name, value)
    content = written(message)
    signature = sign(Signed.MATCHING_LIST, content, made_up.keys[member].signing)
    return written(SignedBlindedList(list=content, signature=signature))


def test_an_answer_comes_out_only_through_the_record(asked):
    made_up, holder, member, body = asked
    recorded = []
    prepared = evaluate(made_up, holder, body)
    assert prepared.release(recorded.append)
    assert recorded == [prepared.answered]
    assert recorded[0].member_id == member

    def full(answered: AnsweredList) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        prepared.release(full)


def test_a_second_list_of_one_member_is_refused_and_the_same_list_is_answered_again(asked):
    made_up, holder, member, body = asked
    holder = evaluate(made_up, holder, body).holder
    second = made_up.list_of(made_up.store(member, ["cleo"], label="second"))
    assert refusal_of(made_up, holder, second) is MatchingRefusal.SECOND_LIST
    again = evaluate(made_up, holder, body)
    assert again.holder == holder
    other = made_up.ids[-2]
    assert evaluate(
        made_up, holder, made_up.list_of(made_up.store(other, ["ann"]))
    ).holder.answered.keys() == {
        member,
        other,
    }


def test_a_holder_restored_from_its_record_refuses_as_before(asked):
    made_up, holder, member, body = asked
    recorded = []
    evaluate(made_up, holder, body).release(recorded.append)
    restored = KeyHolder(
        context=made_up.context,
        member_id=holder.member_id,
        secret_key=holder.secret_key,
        keys_sha256=recorded[0].keys_sha256,
        answered={one.member_id: one.list_sha256 for one in recorded},
    )
    second = made_up.list_of(made_up.store(member, ["cleo"], label="second"))
    assert refusal_of(made_up, restored, second) is MatchingRefusal.SECOND_LIST
    assert restored.offer(made_up.keys[holder.member_id].signing) == made_up.offers()[0]


def test_each_altered_list_is_refused_with_a_code_of_its_own(asked, made_up_matching):
    made_up, holder, member, body = asked
    elements = BlindedList.FromString(SignedBlindedList.FromString(body).list).elements
    forged = SignedBlindedList.FromString(body)
    forged.signature = bytes(64)
    stranger = made_up_matching(n=6)
    outside = next(one for one in stranger.ids if one not in made_up.ids)
    made_up.keys[outside] = stranger.keys[outside]
    cases = {
        MatchingRefusal.VERSION: [resigned(made_up, member, body, format_version=0)],
        MatchingRefusal.OTHER_COOP: [resigned(made_up, member, body, coop_id="00" * 16)],
        MatchingRefusal.OTHER_MATCHING: [resigned(made_up, member, body, matching_id="00" * 8)],
        MatchingRefusal.OTHER_REQUEST: [resigned(made_up, member, body, request_sha256=bytes(32))],
        MatchingRefusal.UNKNOWN_MEMBER: [
            resigned(made_up, outside, body, member_id=outside),
            resigned(made_up, member, body, member_id="../../etc"),
        ],
        MatchingRefusal.SIGNATURE: [
            written(forged),
            resigned(made_up, member, body, member_id=made_up.ids[0]),
        ],
        MatchingRefusal.OTHER_KEYS: [resigned(made_up, member, body, keys_sha256=bytes(32))],
        MatchingRefusal.COUNT: [
            resigned(made_up, member, body, elements=elements[:-32]),
            resigned(made_up, member, body, elements=elements + elements[:32]),
            resigned(made_up, member, body, elements=elements[:-1]),
            resigned(made_up, member, body, elements=b""),
        ],
        MatchingRefusal.ELEMENT: [
            resigned(made_up, member, body, elements=bytes(32) + elements[32:]),
            resigned(made_up, member, body, elements=elements[:-32] + b"\xff" * 32),
            resigned(made_up, member, body, elements=elements[:31] + b"\xff" + elements[32:]),
        ],
        MatchingRefusal.UNREADABLE: [
            b"\xff",
            b"\x00" * (2 << 20 | 1 << 11),
            written(SignedBlindedList(list=b"\x08")),
        ],
    }
    for code, bodies in cases.items():
        for altered in bodies:
            assert refusal_of(made_up, holder, altered) is code
    del made_up.keys[outside]


def test_an_honest_holder_answers_nobody_who_saw_other_keys(made_up_matching, fresh):
    """A colluding holder shows half the members another key; the honest one answers the other half only."""
    made_up = made_up_matching()
    honest, twofaced = made_up.context.holder_ids
    other = KeyHolder.draw(made_up.context, twofaced, entropy=fresh("second face"))
    offers = made_up.offers()
    second_face = HolderKeys.collect(
        made_up.context, [offers[0], other.offer(made_up.keys[twofaced].signing)]
    )
    member = made_up.ids[-1]
    store = made_up.store(member, ["ann"])
    misled = store.blinded_list(second_face, made_up.keys[member].signing)
    holder = made_up.holders[honest]
    assert refusal_of(made_up, holder, misled) is MatchingRefusal.OTHER_KEYS
    bound = evaluate(made_up, holder, made_up.list_of(store)).holder
    # Shown the other keys later, it does not go over to them.
    assert refusal_of(made_up, bound, misled, second_face) is MatchingRefusal.OTHER_KEYS


def test_a_holder_takes_no_list_under_keys_without_its_own_or_of_another_matching(asked, made_up_matching):
    made_up, holder, _, body = asked
    elsewhere = made_up_matching(request="another request").holder_keys()
    others = made_up.holder_keys()
    foreign = element_from_uniform(os.urandom(64))
    without_own = HolderKeys(context=made_up.context, by_id={**others.by_id, holder.member_id: foreign})
    for keys in (elsewhere, without_own):
        with pytest.raises(InvalidMatchingError):
            evaluate(made_up, holder, body, keys)


def test_only_a_holder_draws_a_key_and_only_it_signs(made_up_matching):
    made_up = made_up_matching()
    outsider = made_up.ids[-1]
    assert outsider not in made_up.context.holder_ids
    with pytest.raises(InvalidMatchingError):
        KeyHolder.draw(made_up.context, outsider)
    holder = made_up.holders[made_up.context.holder_ids[0]]
    with pytest.raises(InvalidMatchingError):
        holder.offer(made_up.keys[outsider].signing)
    with pytest.raises(InvalidMatchingError):
        holder.evaluate(b"", made_up.holder_keys(), made_up.keys[outsider].signing)


@pytest.mark.parametrize(
    "change",
    [
        {"secret_key": bytes(32)},
        {"secret_key": b"\x01"},
        {"answered": {"ab" * 8: bytes(32)}},
        {"keys_sha256": b"short"},
        {"keys_sha256": bytes(32), "answered": {"ab" * 8: b"short"}},
    ],
)
def test_a_holder_is_not_restored_from_what_cannot_be_its_state(asked, change):
    made_up, holder, _, _ = asked
    state = {"context": made_up.context, "member_id": holder.member_id, "secret_key": holder.secret_key}
    with pytest.raises(InvalidMatchingError):
        KeyHolder(**{**state, **change})


def test_two_keys_from_the_operating_system_differ_and_neither_shows_in_a_repr(made_up_matching):
    made_up = made_up_matching()
    holders = [KeyHolder.draw(made_up.context, made_up.context.holder_ids[0]) for _ in range(2)]
    assert holders[0].secret_key != holders[1].secret_key
    for holder in holders:
        assert repr(bytes(holder.secret_key)) not in repr(holder)
        assert holder.secret_key.hex() not in repr(holder)
