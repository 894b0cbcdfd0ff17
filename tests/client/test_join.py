"""A store joins by one code, once; what goes wrong is said, changes nothing, and can be done again."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.charter import RoundTerms
from highstreet.audit.errors import CharterError, CharterExceedsLimitsError, InvalidInviteError
from highstreet.audit.invite import Invite
from highstreet.audit.limits import StoreLimits
from highstreet.client import join as join_module
from highstreet.client import membership as membership_module
from highstreet.client.errors import (
    AlreadyJoinedError,
    CoopRefusedError,
    CoopUnreachableError,
    NotJoinedError,
    StoreConfigError,
)
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity, node_key_file
from highstreet.client.join import join_coop
from highstreet.client.membership import is_joined, load_charter, load_membership, member_caller
from highstreet.files import DiskFullError, write_private
from highstreet.protos import coop_pb2
from highstreet.server import founding
from highstreet.server.home import CoopHome
from tests.client.joined_coop import is_invite_used, members_of, moment_now


@pytest.fixture
def store(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store")


def test_one_code_is_all_a_store_needs(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    joined = join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    assert load_membership(store) == joined.membership
    assert load_charter(store) == coop.home.charter() == joined.charter
    assert members_of(coop) == ["Corner Shop"]
    assert list(coop.nodes) == [load_identity(store).node_public_key]
    with member_caller(store) as caller:
        roster = caller.call(lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout))
    assert joined.membership.member_id.encode() in roster.roster.document


def test_private_keys_stay_and_are_for_the_owner_only(
    coop: Any, store: StoreHome, limits: StoreLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    build = join_module._join_request

    def spy(*arguments: Any) -> coop_pb2.JoinRequest:
        request = build(*arguments)
        sent.append(request.SerializeToString())
        return request

    monkeypatch.setattr(join_module, "_join_request", spy)
    join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    identity = load_identity(store)
    scalars = [
        key.private_numbers().private_value.to_bytes(32, "big") for key in (identity.tls, identity.node)
    ]
    for secret in [
        *scalars,
        identity.signing.private_bytes_raw(),
        identity.encryption.private_bytes_raw(),
    ]:
        assert len(sent) == 1
        assert secret not in sent[0]
    for path in [store.keys, *store.keys.iterdir(), store.coop, *store.coop.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert b"OPENSSH PRIVATE KEY" in node_key_file(store).read_bytes()


def test_a_mistyped_code_sends_nothing(store: StoreHome, limits: StoreLimits, coop: Any) -> None:
    code = coop.invite("Corner Shop")
    typo = ("Z" if code[20] != "Z" else "Y").join([code[:20], code[21:]])
    with pytest.raises(InvalidInviteError):
        join_coop(store, typo, limits, now=moment_now())
    assert not store.root.exists()


def test_a_code_used_by_another_store_is_refused(coop: Any, tmp_path: Path, limits: StoreLimits) -> None:
    code = coop.invite("Corner Shop")
    join_coop(StoreHome(tmp_path / "first"), code, limits, now=moment_now())
    second = StoreHome(tmp_path / "second")
    with pytest.raises(CoopRefusedError, match="used by another store") as caught:
        join_coop(second, code, limits, now=moment_now())
    assert "new code" in caught.value.next_step
    assert not is_joined(second)
    assert members_of(coop) == ["Corner Shop"]


def test_an_expired_code_is_refused(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    code = coop.invite("Corner Shop", hours=1)
    coop.skew_seconds = 3700
    with pytest.raises(CoopRefusedError, match="has expired"):
        join_coop(store, code, limits, now=moment_now())
    assert not is_joined(store)


def test_a_store_joins_one_co_op_once(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    with pytest.raises(AlreadyJoinedError, match="Hill Road") as caught:
        join_coop(store, coop.invite("Another"), limits, now=moment_now())
    assert "store leave" in caught.value.next_step  # another folder would be another budget
    assert "--home" not in caught.value.next_step


def test_nobody_there_is_said(store: StoreHome, limits: StoreLimits, coop: Any) -> None:
    nowhere = replace(Invite.from_code(coop.invite("Corner Shop")), port=1)
    with pytest.raises(CoopUnreachableError, match=r"Nobody answers at 127\.0\.0\.1:1"):
        join_coop(store, nowhere.code(), limits, now=moment_now())
    assert not store.root.exists()


def test_a_charter_over_the_stores_limits_does_not_use_up_the_code(
    coop: Any, store: StoreHome, limits: StoreLimits
) -> None:
    code = coop.invite("Corner Shop")
    with pytest.raises(CharterExceedsLimitsError, match="over the 1 allowed"):
        join_coop(store, code, replace(limits, max_epsilon=1.0), now=moment_now())
    assert not store.root.exists()
    assert not is_invite_used(coop, code)
    join_coop(store, code, limits, now=moment_now())  # the owner changed their mind, not the coordinator


def test_a_charter_whose_sums_cannot_be_held_does_not_use_up_the_code(
    found: Callable[..., CoopHome],
    run_coop: Callable[[CoopHome], Any],
    charter_with: Callable[..., Any],
    store: StoreHome,
    limits: StoreLimits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No sound coordinator would make one; this one does."""
    monkeypatch.setattr(founding, "refuse_impossible_sums", lambda charter: None)
    odd = charter_with(rounds=RoundTerms(cohort_floor=10_000, colluders=1))
    coop = run_coop(found("odd", charter=odd))
    code = coop.invite("Corner Shop")
    with pytest.raises(CharterError, match="The floor is 10000 contributors"):
        join_coop(store, code, limits, now=moment_now())
    assert not store.root.exists()
    assert not is_invite_used(coop, code)


@pytest.mark.parametrize("failing_write", range(9))
def test_a_join_cut_short_at_any_write_is_repeated_with_the_same_code(
    coop: Any,
    store: StoreHome,
    limits: StoreLimits,
    monkeypatch: pytest.MonkeyPatch,
    failing_write: int,
) -> None:
    from highstreet.client import identity as identity_module

    code, written = coop.invite("Corner Shop"), 0

    def fails_once(path: Path, data: bytes) -> None:
        nonlocal written
        if written == failing_write:
            raise DiskFullError("There is no room left.", next_step="Free some space.")
        written += 1
        write_private(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(identity_module, "write_private", fails_once)
        patched.setattr(membership_module, "write_private", fails_once)
        with pytest.raises(DiskFullError):
            join_coop(store, code, limits, now=moment_now())
    assert not is_joined(store)
    with pytest.raises(NotJoinedError):
        load_membership(store)
    join_coop(store, code, limits, now=moment_now())
    assert members_of(coop) == ["Corner Shop"]
    assert len(coop.nodes) == 1


def test_a_join_goes_on_when_the_superlink_is_back(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    code = coop.invite("Corner Shop")
    coop.register_fails = True
    with pytest.raises(CoopRefusedError, match="cannot do it at the moment"):
        join_coop(store, code, limits, now=moment_now())
    assert members_of(coop) == []
    coop.register_fails = False
    join_coop(store, code, limits, now=moment_now())
    assert members_of(coop) == ["Corner Shop"]


def test_a_charter_changed_on_disk_is_noticed(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    from highstreet.audit.errors import SignatureMismatchError

    join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    file = store.coop / "charter.json"
    file.write_bytes(file.read_bytes().replace(b'"cohort_floor": 3', b'"cohort_floor": 2'))
    with pytest.raises(SignatureMismatchError):
        load_charter(store)


def test_a_damaged_membership_is_said(coop: Any, store: StoreHome, limits: StoreLimits) -> None:
    join_coop(store, coop.invite("Corner Shop"), limits, now=moment_now())
    (store.coop / "membership.json").write_text("{")
    with pytest.raises(StoreConfigError, match="damaged"):
        load_membership(store)
