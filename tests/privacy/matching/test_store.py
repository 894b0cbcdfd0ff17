"""The store: what its list shows of its customers (nothing), and which answers it takes."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import plain_ristretto as plain
import pytest

from highstreet.privacy.matching import (
    IdentifierKind,
    MatchingRefusal,
    MatchingRefusedError,
    MatchingStore,
    identifier_input,
)
from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.group import random_scalar, read_element
from highstreet.privacy.matching.identifiers import LABEL
from highstreet.privacy.matching.tags import mask_seed, tag
from highstreet.privacy.matching.wire import written
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import BlindedList, Evaluations, SignedBlindedList, SignedEvaluations


@pytest.fixture
def answered(made_up_matching):
    """A store with two customers, and both holders' answers."""
    made_up = made_up_matching()
    store = made_up.store(made_up.ids[-1], ["ann", "bob"])
    return made_up, store, made_up.answers(made_up.list_of(store))


def elements_of(body):
    joined = BlindedList.FromString(SignedBlindedList.FromString(body).list).elements
    return [joined[at : at + 32] for at in range(0, len(joined), 32)]


def refusal_of(made_up, store, answers):
    with pytest.raises(MatchingRefusedError) as refused:
        store.match(made_up.holder_keys(), answers)
    return refused.value.code


def resigned(made_up, answer, **changes):
    message = Evaluations.FromString(SignedEvaluations.FromString(answer).evaluations)
    signer = changes.pop("signer", message.holder_id)
    for name, value in changes.items():
        setattr(message, name, value)
    content = written(message)
    signature = sign(Signed.MATCHING_EVALUATIONS, content, made_up.keys[signer].signing)
    return written(SignedEvaluations(evaluations=content, signature=signature))


def test_tags_are_the_second_implementations(answered):
    """The whole path, blinding included, against F(k, input) computed without any."""
    made_up, store, answers = answered
    matched = store.match(made_up.holder_keys(), answers[::-1])
    keys = [int.from_bytes(holder.secret_key, "little") for holder in made_up.holders.values()]
    digest = made_up.holder_keys().sha256()
    for name in ("ann", "bob"):
        message = b"highstreet/v1/matching-identifier\x00email\x00" + f"{name}@example.org".encode()
        assert matched.tags[name] == tag(digest, message, [plain.function(key, message) for key in keys])
    assert matched.mask_seed == mask_seed(digest, [plain.function(key, LABEL) for key in keys])


def test_lists_are_equally_long_and_look_alike_whoever_shops_there(made_up_matching):
    made_up = made_up_matching(identifiers=6)
    one = made_up.ids[0]
    bodies = [
        made_up.list_of(made_up.store(one, names)) for names in ([], ["ann"], [f"p{n}" for n in range(6)])
    ]
    assert len({len(body) for body in bodies}) == 1
    for body in bodies:
        elements = elements_of(body)
        assert len(elements) == 7 == len(set(elements))
        assert all(read_element(element) for element in elements)
    assert not set(elements_of(bodies[0])) & set(elements_of(bodies[1])[1:2])


def test_bytes_of_padding_and_of_identifiers_are_equally_distributed(made_up_matching):
    """First bytes of 4,000 elements each; halves of the byte range compared by a two-sample chi-square."""
    made_up = made_up_matching(identifiers=200)
    one = made_up.ids[0]
    drawn = {0: [], 200: []}
    for customers, found in drawn.items():
        for run in range(20):
            store = made_up.store(one, [f"p{n}" for n in range(customers)], label=f"run {run}")
            found += [element[5] for element in elements_of(made_up.list_of(store))[1:]]

    def chi_square(first, second):
        a, b = (np.bincount(np.array(part) // 8, minlength=32) for part in (first, second))
        return ((a - b) ** 2 / (a + b)).sum()

    tolerance = 31 + 5 * math.sqrt(62)
    assert chi_square(drawn[0], drawn[200]) < tolerance
    unblinded = [hashlib.sha512(f"p{n % 20}".encode()).digest()[0] for n in range(4000)]
    assert chi_square(drawn[0], unblinded) > tolerance  # the twin: elements that repeat would be seen


def test_a_list_follows_from_the_state_alone_and_from_no_other_matching(made_up_matching):
    made_up = made_up_matching()
    store = made_up.store(made_up.ids[0], ["ann", "bob"])
    restored = MatchingStore(
        context=made_up.context,
        member_id=store.member_id,
        elements=store.elements,
        blindings=store.blindings,
        made_up_seed=store.made_up_seed,
        dummies=store.dummies,
        customers=store.customers,
        inputs=store.inputs,
    )
    assert made_up.list_of(restored) == made_up.list_of(store)
    other = made_up_matching(request="other")  # of the same entropy
    moved = other.store(store.member_id, ["ann", "bob"])
    assert moved.customers == store.customers
    assert moved.dummies == store.dummies
    assert not set(elements_of(other.list_of(moved))) & set(elements_of(made_up.list_of(store)))


def test_a_customer_can_be_overwritten_alone_and_list_and_tags_of_the_others_stay(answered, fresh):
    made_up, store, answers = answered
    place = store.customers.index("ann")
    gone = replace(
        store,
        customers=tuple("nobody" if one == "ann" else one for one in store.customers),
        inputs=tuple(b"nothing" if at == place else one for at, one in enumerate(store.inputs)),
        blindings=tuple(
            random_scalar(fresh("erased")) if at == place + 1 else one
            for at, one in enumerate(store.blindings)
        ),
    )
    assert made_up.list_of(gone) == made_up.list_of(store)
    keys = made_up.holder_keys()
    whole, left = store.match(keys, answers), gone.match(keys, answers)
    assert left.mask_seed == whole.mask_seed
    assert left.tags["bob"] == whole.tags["bob"]
    assert left.tags["nobody"] not in whole.tags.values()


def test_of_customers_with_one_identifier_one_takes_part(made_up_matching, fresh):
    made_up = made_up_matching()
    same = identifier_input(IdentifierKind.EMAIL, "Family@example.org")
    inputs = {"ann": same, "bob": same, "cleo": identifier_input(IdentifierKind.EMAIL, "cleo@example.org")}
    chosen = Counter()
    for run in range(200):
        store = MatchingStore.draw(made_up.context, made_up.ids[0], inputs, entropy=fresh(f"run {run}"))
        assert len(store.customers) == 2
        assert "cleo" in store.customers
        chosen.update(store.customers)
    # Binomial(200, 1/2): five standard deviations of 7.1.
    assert abs(chosen["ann"] - 100) < 36


def test_of_too_many_customers_a_random_few_take_part_whatever_their_order(made_up_matching, fresh):
    made_up = made_up_matching(identifiers=4)
    names = [f"p{n}" for n in range(10)]
    chosen = Counter()
    runs = 500
    for run in range(runs):
        store = MatchingStore.draw(
            made_up.context,
            made_up.ids[0],
            {name: identifier_input(IdentifierKind.EMAIL, name) for name in names},
            entropy=fresh(f"run {run}"),
        )
        assert len(store.customers) == 4
        chosen.update(store.customers)
    # Each with chance 0.4: five standard deviations of sqrt(500 x .4 x .6) = 11.
    assert all(abs(chosen[name] - 0.4 * runs) < 55 for name in names)
    assert not all(abs(count - 0.4 * runs) < 55 for count in (runs, 0))


def test_each_altered_answer_is_refused_with_a_code_of_its_own(answered):
    made_up, store, (first, second) = answered
    holders = made_up.context.holder_ids
    outsider = made_up.ids[-1]
    whole = Evaluations.FromString(SignedEvaluations.FromString(first).evaluations)
    other = Evaluations.FromString(SignedEvaluations.FromString(second).evaluations)
    elements, proof = whole.elements, whole.proof
    swapped = elements[32:64] + elements[:32] + elements[64:]
    forged = SignedEvaluations.FromString(first)
    forged.signature = bytes(64)
    cases = {
        MatchingRefusal.VERSION: [resigned(made_up, first, format_version=3)],
        MatchingRefusal.OTHER_COOP: [resigned(made_up, first, coop_id="00" * 16)],
        MatchingRefusal.OTHER_MATCHING: [resigned(made_up, first, matching_id="00" * 8)],
        MatchingRefusal.OTHER_REQUEST: [resigned(made_up, first, request_sha256=bytes(32))],
        MatchingRefusal.NOT_A_HOLDER: [resigned(made_up, first, holder_id=outsider, signer=outsider)],
        MatchingRefusal.SIGNATURE: [written(forged), resigned(made_up, first, signer=holders[1])],
        MatchingRefusal.NOT_ADDRESSED: [resigned(made_up, first, member_id=made_up.ids[0])],
        MatchingRefusal.OTHER_LIST: [resigned(made_up, first, list_sha256=bytes(32))],
        MatchingRefusal.COUNT: [
            resigned(made_up, first, elements=elements[:-32]),
            resigned(made_up, first, elements=elements + elements[:32]),
        ],
        MatchingRefusal.ELEMENT: [
            resigned(made_up, first, elements=elements[:-32] + bytes(32)),
            resigned(made_up, first, elements=elements[:-32] + b"\xff" * 32),
            resigned(made_up, first, elements=elements[:31] + bytes([elements[31] | 0x80]) + elements[32:]),
        ],
        MatchingRefusal.PROOF: [
            resigned(made_up, first, elements=swapped),
            resigned(made_up, first, elements=other.elements),
            resigned(made_up, first, elements=other.elements, proof=other.proof),
            resigned(made_up, first, proof=proof[:-1]),
            resigned(made_up, first, proof=b""),
            resigned(made_up, first, proof=bytes([proof[0] ^ 1]) + proof[1:]),
        ],
        MatchingRefusal.SCALAR: [resigned(made_up, first, proof=b"\xff" * 64)],
        MatchingRefusal.UNREADABLE: [
            b"\xff",
            bytes(3 << 20),
            written(SignedEvaluations(evaluations=b"\x08")),
        ],
        MatchingRefusal.REPEATED_HOLDER: [second],
    }
    for code, bodies in cases.items():
        for altered in bodies:
            answers = [altered, second]
            assert refusal_of(made_up, store, answers) is code
    assert refusal_of(made_up, store, [first]) is MatchingRefusal.MISSING_HOLDER


def test_an_answer_under_another_key_than_the_one_offered_is_refused(answered, fresh):
    """A holder that evaluates under another key than the one all others were given."""
    from highstreet.privacy.matching import HolderKeys, KeyHolder

    made_up, store, (_, second) = answered
    twofaced = made_up.context.holder_ids[0]
    other = KeyHolder.draw(made_up.context, twofaced, entropy=fresh("second face"))
    keys = HolderKeys.collect(
        made_up.context, [other.offer(made_up.keys[twofaced].signing), made_up.offers()[1]]
    )
    body = store.blinded_list(keys, made_up.keys[store.member_id].signing)
    under_other = other.evaluate(body, keys, made_up.keys[twofaced].signing).release(lambda answered: None)
    right_list = hashlib.sha256(SignedBlindedList.FromString(made_up.list_of(store)).list).digest()
    claimed = resigned(made_up, under_other, list_sha256=right_list)
    assert refusal_of(made_up, store, [under_other, second]) is MatchingRefusal.OTHER_LIST
    assert refusal_of(made_up, store, [claimed, second]) is MatchingRefusal.PROOF


def test_a_replay_of_another_matchings_answer_is_refused(answered, made_up_matching):
    _, store, answers = answered
    for change in ({"request": "next"}, {"matching_id": "01" * 8}):
        later = made_up_matching(**change)
        same_store = later.store(store.member_id, ["ann", "bob"])
        with pytest.raises(MatchingRefusedError) as refused:
            same_store.match(later.holder_keys(), answers)
        assert refused.value.code in {MatchingRefusal.OTHER_REQUEST, MatchingRefusal.OTHER_MATCHING}


def test_keys_of_another_matching_and_strangers_keys_are_refused(made_up_matching):
    made_up = made_up_matching()
    store = made_up.store(made_up.ids[0], ["ann"])
    elsewhere = made_up_matching(request="elsewhere").holder_keys()
    with pytest.raises(InvalidMatchingError):
        store.blinded_list(elsewhere, made_up.keys[store.member_id].signing)
    with pytest.raises(InvalidMatchingError):
        store.blinded_list(made_up.holder_keys(), made_up.keys[made_up.ids[1]].signing)
    with pytest.raises(InvalidMatchingError):
        MatchingStore.draw(made_up.context, "00" * 8, {})


def test_a_store_is_not_restored_from_what_cannot_be_its_state_and_shows_none_of_it(made_up_matching):
    made_up = made_up_matching(identifiers=2)
    store = made_up.store(made_up.ids[0], ["ann", "bob"])
    state = {name: getattr(store, name) for name in store.__slots__}
    wrong = [
        {"made_up_seed": b"short"},
        {"elements": store.elements[:-32]},
        {"blindings": store.blindings[:-1]},
        {"blindings": (*store.blindings[:-1], b"short")},
        {"dummies": 49},
        {"customers": ("ann", "ann")},
        {"customers": ("ann",)},
        {"inputs": (store.inputs[0],) * 2},
        {"inputs": (store.inputs[0], LABEL)},
        {"customers": ("a", "b", "c"), "inputs": (b"a", b"b", b"c")},
    ]
    for change in wrong:
        with pytest.raises(InvalidMatchingError):
            MatchingStore(**{**state, **change})
    shown = repr(store)
    assert not any(word in shown for word in ("ann", "example", "seed", "dummies"))
