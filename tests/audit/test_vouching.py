"""Two codes agree when nothing was exchanged on the way, and else with chance one in a million."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import CodeFormError, VouchingError
from highstreet.audit.roster import Member
from highstreet.audit.vouching import Exchange, answer, offer, read_code, spoken

COOP = "ab" * 16


def _member(number: int, name: str) -> Member:
    return Member(
        member_id=f"{number:016x}",
        name=name,
        signing_public_key=bytes([number]) * 32,
        encryption_public_key=bytes([number + 100]) * 32,
    )


ANN, BOB, MALLORY = _member(1, "Ann"), _member(2, "Bob"), _member(3, "Mallory")


def _entropy(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes  # noqa: S311  # the same each time


def _run(
    ann_sees: Member = BOB, bob_sees: Member = ANN, seed: int = 1, own: tuple[Member, Member] = (ANN, BOB)
) -> tuple[Exchange, Exchange]:
    """An exchange whose messages are carried as they are."""
    first = offer(COOP, own[0], ann_sees, entropy=_entropy(seed), now=5)
    second = answer(COOP, own[1], bob_sees, first.commitment, entropy=_entropy(seed + 10**6), now=6)
    first = first.take_answer(second.own_nonce)
    return first, second.take_opening(first.own_nonce)


@settings(deadline=None)
@given(st.integers(0, 10**5))
def test_both_codes_fit_when_nothing_was_changed(seed: int) -> None:
    first, second = _run(seed=seed)
    assert second.accepts(first.shown_code)
    assert first.accepts(second.shown_code)
    assert read_code(spoken(first.shown_code)) == first.shown_code


def test_the_codes_are_those_of_the_transcript_worked_out_apart() -> None:
    first, second = _run()
    transcript = {
        "format_version": 1,
        "coop_id": COOP,
        "initiator": ANN.to_dict(),
        "responder": BOB.to_dict(),
        "nonces": [first.own_nonce.hex(), second.own_nonce.hex()],
    }
    digest = hashlib.sha256(b"highstreet/v1/vouch-code\x00" + canonical_json(transcript)).digest()
    assert int(first.shown_code) == int.from_bytes(digest[:16], "big") % 10**6
    assert int(second.shown_code) == int.from_bytes(digest[16:], "big") % 10**6
    committed = {**transcript, "nonces": [first.own_nonce.hex()]}
    expected = hashlib.sha256(b"highstreet/v1/vouch-commitment\x00" + canonical_json(committed)).digest()
    assert first.commitment == expected


@pytest.mark.parametrize(
    "change",
    [
        {"signing_public_key": bytes([9]) * 32},
        {"encryption_public_key": bytes([9]) * 32},
        {"name": "Anne"},
        {"member_id": "f" * 16},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_roster_with_another_entry_is_noticed_before_there_is_a_code(
    change: dict[str, bytes | str],
) -> None:
    with pytest.raises(VouchingError, match="other keys"):
        _run(bob_sees=replace(ANN, **change))  # type: ignore[arg-type]
    with pytest.raises(VouchingError, match="other keys"):
        _run(ann_sees=replace(BOB, **change))  # type: ignore[arg-type]


def _between(seed: int) -> tuple[Exchange, Exchange]:
    """Mallory stands between: an exchange with Ann as Bob, one with Bob as Ann, each whole in itself."""
    false_bob = replace(MALLORY, member_id=BOB.member_id, name="Bob")
    false_ann = replace(MALLORY, member_id=ANN.member_id, name="Ann")
    with_ann, _ = _run(ann_sees=false_bob, own=(ANN, false_bob), seed=seed)
    _, with_bob = _run(ann_sees=BOB, bob_sees=false_ann, own=(false_ann, BOB), seed=seed + 500_000)
    return with_ann, with_bob


def test_whoever_stands_between_has_codes_that_fit_by_chance_only() -> None:
    # 3,000 attempts at 10^-6: more than one agreement has a chance under 5 * 10^-6.
    fits = 0
    for seed in range(3_000):
        with_ann, with_bob = _between(seed)
        fits += with_bob.accepts(with_ann.shown_code) + with_ann.accepts(with_bob.shown_code)
    assert fits <= 1


def test_without_commitments_whoever_stands_between_would_make_the_codes_fit() -> None:
    """The twin: with Ann's nonce in the open, Mallory looks for one of hers with which a short code fits."""
    with_ann, _ = _between(1)
    wanted = with_ann.shown_code[:3]
    false_ann = replace(MALLORY, member_id=ANN.member_id, name="Ann")
    bob = answer(COOP, BOB, false_ann, bytes(32), entropy=_entropy(3), now=1)
    for tried in range(20_000):  # a thousand times fewer than a code of six digits would take
        own = hashlib.sha256(tried.to_bytes(4, "big")).digest()
        if replace(bob, other_nonce=own).accepts(f"{wanted}000"):
            break
        expected = replace(bob, other_nonce=own)._code(bob.role.INITIATOR)
        if expected.startswith(wanted):
            return
    else:
        pytest.fail("an open exchange should have been easy to force")


def test_the_codes_are_spread_evenly() -> None:
    # 6,000 codes in ten cells: chi-squared with 9 degrees of freedom is above 33.7 once in 10^4.
    cells = [0] * 10
    for seed in range(3_000):
        for side in _run(seed=seed):
            cells[int(side.shown_code) // 10**5] += 1
    assert sum((count - 600) ** 2 / 600 for count in cells) < 33.7


def test_an_old_exchange_played_back_fits_nothing() -> None:
    old_first, old_second = _run(seed=1)
    fresh = offer(COOP, ANN, BOB, entropy=_entropy(77), now=9).take_answer(old_second.own_nonce)
    assert not old_second.accepts(fresh.shown_code)
    answered = answer(COOP, BOB, ANN, old_first.commitment, entropy=_entropy(78), now=9)
    replayed = answered.take_opening(old_first.own_nonce)  # it does open, but Bob's nonce is a new one
    assert not replayed.accepts(old_first.shown_code)
    assert not old_first.accepts(replayed.shown_code)


def test_ones_own_offer_sent_back_opens_nothing() -> None:
    mine = offer(COOP, ANN, BOB, entropy=_entropy(1), now=1)
    reflected = answer(COOP, ANN, BOB, mine.commitment, entropy=_entropy(2), now=1)
    with pytest.raises(VouchingError):
        reflected.take_opening(mine.own_nonce)


def test_each_nonce_is_taken_once() -> None:
    first, second = _run()
    with pytest.raises(VouchingError):
        first.take_answer(bytes(32))
    with pytest.raises(VouchingError):
        second.take_opening(first.own_nonce)
    waiting = offer(COOP, ANN, BOB, entropy=_entropy(1), now=1)
    with pytest.raises(VouchingError):
        waiting.take_opening(bytes(32))


def test_there_is_no_code_before_both_nonces_are_here() -> None:
    waiting = offer(COOP, ANN, BOB, entropy=_entropy(1), now=1)
    assert not waiting.is_complete
    with pytest.raises(VouchingError, match="no code"):
        _ = waiting.shown_code


@pytest.mark.parametrize("size", [0, 31, 33])
def test_odd_sizes_are_refused(size: int) -> None:
    waiting = offer(COOP, ANN, BOB, entropy=_entropy(1), now=1)
    with pytest.raises(VouchingError):
        waiting.take_answer(bytes(size))
    with pytest.raises(VouchingError):
        answer(COOP, BOB, ANN, bytes(size), entropy=_entropy(2), now=1)


def test_a_nonce_is_not_in_a_repr() -> None:
    first, _ = _run()
    assert first.own_nonce.hex() not in repr(first)
    assert repr(first.own_nonce) not in repr(first)


@pytest.mark.parametrize("text", ["123456", "123-456", " 123 456\n", "1 2 3 4 5 6", "123–456", "123.456"])
def test_a_code_is_read_as_people_write_it(text: str) -> None:
    assert read_code(text) == "123456"


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123456" * 50])
def test_what_is_no_code_is_said_and_not_tried(text: str) -> None:
    with pytest.raises(CodeFormError):
        read_code(text)


def test_the_two_codes_of_an_exchange_have_nothing_to_do_with_each_other() -> None:
    pairs = [tuple(side.shown_code for side in _run(seed=seed)) for seed in range(200)]
    assert all(one != other for one, other in pairs)  # 200 chances of 10^-6
    assert len(set(itertools.chain(*pairs))) > 395  # about 0.08 repetitions among 400 are expected
