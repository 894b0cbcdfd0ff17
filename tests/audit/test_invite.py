"""An invitation code survives being copied by hand, and a typo is noticed before anything is sent."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.errors import InvalidInviteError
from highstreet.audit.invite import Invite

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
INVITE = Invite(
    host="coop.example.org",
    port=9440,
    ca_sha256=bytes(range(32)),
    coordinator_key_hash=bytes(range(16)),
    seed=bytes(range(100, 116)),
)
_INVITES = st.builds(
    Invite,
    host=st.from_regex(r"[A-Za-z0-9.:_-]{1,60}", fullmatch=True),
    port=st.integers(1, 65535),
    ca_sha256=st.binary(min_size=32, max_size=32),
    coordinator_key_hash=st.binary(min_size=16, max_size=16),
    seed=st.binary(min_size=16, max_size=16),
)


@given(_INVITES)
def test_a_code_says_the_invitation_again(invite: Invite) -> None:
    assert Invite.from_code(invite.code()) == invite


@given(st.data())
def test_a_code_typed_by_hand_is_understood(data: st.DataObject) -> None:
    code = INVITE.code().replace("-", data.draw(st.sampled_from(["", " ", "\n", " - "])))
    lookalike = {"0": "O", "1": "I"} if data.draw(st.booleans()) else {"1": "l"}
    assert Invite.from_code(code.lower().translate(str.maketrans(lookalike))) == INVITE


@given(st.integers(0, len(INVITE.code()) - 1), st.sampled_from(_CROCKFORD))
def test_one_wrong_character_anywhere_is_noticed(place: int, typed: str) -> None:
    code = INVITE.code()
    if code[place] in ("-", typed):
        return
    with pytest.raises(InvalidInviteError, match="not a whole invitation code"):
        Invite.from_code(code[:place] + typed + code[place + 1 :])


@given(st.integers(1, len(INVITE.code()) - 1))
def test_a_code_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(InvalidInviteError):
        Invite.from_code(INVITE.code()[:length].rstrip("-") if length > 1 else "0")


@given(st.text(max_size=300))
def test_any_other_text_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInviteError) as caught:
        Invite.from_code(text)
    assert "Nothing was sent" in caught.value.for_user()


def test_a_code_of_another_version_says_so() -> None:
    body = b"\x02" + b"what version 2 holds"
    check = hashlib.sha256(b"highstreet/v1/invite-check\x00" + body).digest()[:4]
    table = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD)
    code = base64.b32encode(body + check).decode().rstrip("=").translate(table)
    with pytest.raises(InvalidInviteError, match="version 2; this software reads version 1"):
        Invite.from_code(code)


def test_the_secret_is_not_shown_and_does_not_follow_from_the_id() -> None:
    assert INVITE.secret.hex() not in repr(INVITE)
    assert INVITE.seed.hex() not in repr(INVITE)
    assert len(INVITE.secret) == 32
    assert INVITE.invite_id != INVITE.secret.hex()[:16]
