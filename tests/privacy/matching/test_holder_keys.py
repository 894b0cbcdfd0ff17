"""Holders' keys: one of each, signed for this matching."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.matching import HolderKeys, KeyHolder, MatchingRefusal, MatchingRefusedError
from highstreet.privacy.matching.holder_keys import signed_holder_key
from highstreet.privacy.matching.wire import written
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.matching_pb2 import HolderKey, SignedHolderKey


def refusal_of(context, offers):
    with pytest.raises(MatchingRefusedError) as refused:
        HolderKeys.collect(context, offers)
    return refused.value.code


def resigned(made_up, signer, offer, **changes):
    """A holder's offer with other fields, signed anew by itself."""
    message = HolderKey.FromString(SignedHolderKey.FromString(offer).key)
    for name, value in changes.items():
        setattr(message, name, value)
    key = written(message)
    signature = sign(Signed.MATCHING_KEY, key, made_up.keys[signer].signing)
    return written(SignedHolderKey(key=key, signature=signature))


def test_keys_are_taken_in_any_order_and_twice(made_up_matching):
    made_up = made_up_matching(c=2)
    offers = made_up.offers()
    keys = HolderKeys.collect(made_up.context, [*offers[::-1], offers[0]])
    assert tuple(keys.by_id) == made_up.context.holder_ids
    assert keys.sha256() == made_up.holder_keys().sha256()
    assert offers == made_up.offers()


def test_an_offer_is_refused_unless_it_is_for_this_matching_and_signed_by_a_holder(made_up_matching):
    made_up = made_up_matching()
    first, second = made_up.context.holder_ids
    own, other = made_up.offers()
    outsider = next(one for one in made_up.ids if one not in made_up.context.holder_ids)
    public_key = HolderKey.FromString(SignedHolderKey.FromString(own).key).public_key
    stranger = Ed25519PrivateKey.generate()
    forged = SignedHolderKey.FromString(own)
    forged.signature = bytes(64)
    wrong_kind = SignedHolderKey.FromString(own)
    wrong_kind.signature = sign(Signed.MATCHING_LIST, wrong_kind.key, made_up.keys[first].signing)
    cases = {
        MatchingRefusal.VERSION: [resigned(made_up, first, own, format_version=2)],
        MatchingRefusal.OTHER_COOP: [resigned(made_up, first, own, coop_id="00" * 16)],
        MatchingRefusal.OTHER_MATCHING: [resigned(made_up, first, own, matching_id="00" * 8)],
        MatchingRefusal.OTHER_REQUEST: [resigned(made_up, first, own, request_sha256=bytes(32))],
        MatchingRefusal.NOT_A_HOLDER: [resigned(made_up, first, own, holder_id=outsider)],
        MatchingRefusal.SIGNATURE: [
            written(forged),
            written(wrong_kind),
            resigned(made_up, second, own),
            signed_holder_key(made_up.context, first, public_key, stranger),
        ],
        MatchingRefusal.ELEMENT: [
            resigned(made_up, first, own, public_key=bytes(32)),
            resigned(made_up, first, own, public_key=b"\xff" * 32),
            resigned(made_up, first, own, public_key=public_key[:31]),
        ],
        MatchingRefusal.UNREADABLE: [b"\xff", own + b"\x00" * 600, written(SignedHolderKey(key=b"\xff"))],
    }
    for code, offers in cases.items():
        for offer in offers:
            assert refusal_of(made_up.context, [offer, other]) is code


def test_a_field_nobody_knows_is_refused_although_it_is_signed(made_up_matching):
    made_up = made_up_matching()
    first, _ = made_up.context.holder_ids
    key = SignedHolderKey.FromString(made_up.offers()[0]).key + b"\xf8\x01\x01"
    signature = sign(Signed.MATCHING_KEY, key, made_up.keys[first].signing)
    offer = written(SignedHolderKey(key=key, signature=signature))
    assert refusal_of(made_up.context, [offer, made_up.offers()[1]]) is MatchingRefusal.UNREADABLE


def test_a_missing_key_and_two_keys_of_one_holder_are_refused(made_up_matching, fresh):
    made_up = made_up_matching()
    first, _ = made_up.context.holder_ids
    own, other = made_up.offers()
    again = KeyHolder.draw(made_up.context, first, entropy=fresh("again")).offer(made_up.keys[first].signing)
    assert refusal_of(made_up.context, [own]) is MatchingRefusal.MISSING_HOLDER
    assert refusal_of(made_up.context, [own, other, again]) is MatchingRefusal.REPEATED_HOLDER
