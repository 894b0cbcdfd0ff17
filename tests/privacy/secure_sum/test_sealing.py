from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.sealing import OVERHEAD_BYTES, BoxLabel, is_low_order, open_box, seal

#: All points of low order on Curve25519 and its twist, with their unreduced spellings (cr.yp.to/ecdh.html).
LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 31,  # the highest bit is ignored
]
EPHEMERAL = X25519PrivateKey.from_private_bytes(bytes([3]) * 32)
MEMBER = X25519PrivateKey.from_private_bytes(bytes([4]) * 32)
LABEL = BoxLabel(
    request_sha256=bytes([1]) * 32,
    contributor_id="a" * 16,
    member_id="b" * 16,
    position=2,
    ephemeral_public_key=EPHEMERAL.public_key().public_bytes_raw(),
    member_public_key=MEMBER.public_key().public_bytes_raw(),
    header_fixed=b"header",
)


def test_a_box_opens_under_its_own_label_only():
    box = seal(b"a share", LABEL, ephemeral_key=EPHEMERAL)
    assert len(box) == len(b"a share") + OVERHEAD_BYTES
    assert open_box(box, LABEL, member_key=MEMBER) == b"a share"
    others = {
        "request_sha256": bytes([2]) * 32,
        "contributor_id": "c" * 16,
        "member_id": "c" * 16,
        "position": 3,
        "ephemeral_public_key": MEMBER.public_key().public_bytes_raw(),
        "member_public_key": EPHEMERAL.public_key().public_bytes_raw(),
        "header_fixed": b"other",
    }
    assert others.keys() == set(BoxLabel.__dataclass_fields__)
    for name, value in others.items():
        with pytest.raises(SumRefusedError) as refused:
            open_box(box, replace(LABEL, **{name: value}), member_key=MEMBER)
        assert refused.value.code is SumRefusal.BOX_SEAL


def test_a_box_opens_for_nobody_else_and_not_after_a_change():
    box = seal(b"a share", LABEL, ephemeral_key=EPHEMERAL)
    stranger = X25519PrivateKey.from_private_bytes(bytes([5]) * 32)
    attempts = [(box, stranger), (box[:-1], MEMBER), (b"", MEMBER)]
    attempts += [(box[:k] + bytes([box[k] ^ 1]) + box[k + 1 :], MEMBER) for k in range(len(box))]
    for changed, key in attempts:
        with pytest.raises(SumRefusedError) as refused:
            open_box(changed, LABEL, member_key=key)
        assert refused.value.code is SumRefusal.BOX_SEAL


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_keys_of_low_order_are_refused_on_both_sides(point):
    assert is_low_order(point)
    assert not is_low_order(LABEL.member_public_key)
    with pytest.raises(SumRefusedError) as refused:
        seal(b"a share", replace(LABEL, member_public_key=point), ephemeral_key=EPHEMERAL)
    assert refused.value.code is SumRefusal.LOW_ORDER_KEY
    with pytest.raises(SumRefusedError) as refused:
        open_box(bytes(30), replace(LABEL, ephemeral_public_key=point), member_key=MEMBER)
    assert refused.value.code is SumRefusal.LOW_ORDER_KEY
