"""An erasure empties entries of the consent log and no other hand can; the log's root stands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, ConsentState, Method
from highstreet.audit.consent_tree import consent_root
from highstreet.client import consent_log
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_anchor import ConsentAnchor
from highstreet.client.consent_restoration import accept_restored_log
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.vault import Vault
from tests.client.rewound_shop import COOP, SAID, Shop, is_refused_everywhere


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_an_erased_persons_entries_say_nothing_and_the_root_stands(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    planted = "source-" + os.urandom(8).hex()
    with Vault.open(shop.home.vault) as vault:
        desk = shop.desk(vault)
        desk.record("ann", COOP, Act.WITHDRAWN, How(method=Method.FORM, source=planted))
        desk.record("ben", COOP, Act.GIVEN, SAID)
        ann = vault.customer_key("ann")
        salts = [entry.salt for entry in desk.history(ann)]
        assert len(salts) == 4
        root = desk.root()
        assert desk.erase("ann") == 4
        for _ in range(2):
            assert (desk.root().position, desk.root().root) == (root.position, root.root)
            assert desk.history(ann) == ()
            assert desk.state(ann, COOP) is ConsentState.NOT_ASKED
            assert desk.cohort(COOP).customers == (vault.customer_key("ben"),)
            begin_anew()
        with vault.read() as connection:
            leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM consents ORDER BY position")]
        assert (len(leaves), consent_root(leaves)) == (root.position, root.root)
        desk.record("ben", COOP, Act.WITHDRAWN, SAID)  # the log goes on
        assert desk.position() == root.position + 1
    for file in shop.home.root.iterdir():
        data = file.read_bytes()
        assert planted.encode() not in data, file.name
        assert not any(salt is not None and salt in data for salt in salts), file.name


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: desk.erase("ann"),
        lambda desk: desk.exclude("ann", Exclusion.RESTRICTED),
        lambda desk: desk.exclude("ann", Exclusion.MINOR),
    ],
)
def test_a_copy_from_before_somebody_left_is_refused_though_the_log_is_as_long(
    shop: Shop, change: Callable[[ConsentDesk], object], begin_anew: Callable[[], None]
) -> None:
    copy = shop.copied()
    with Vault.open(shop.home.vault) as vault:
        root = shop.desk(vault).root()
        change(shop.desk(vault))
        assert (shop.desk(vault).root().position, shop.desk(vault).root().root) == (root.position, root.root)
    shop.put_back(copy)
    is_refused_everywhere(shop)
    begin_anew()
    is_refused_everywhere(shop)


EMPTY = (
    "UPDATE consents SET salt = NULL, event_id = NULL, customer = NULL, purpose = NULL, channel = NULL,"
    ' act = NULL, "at" = NULL, valid_until = NULL, method = NULL, source = NULL, notice_version = NULL,'
    " language = NULL, notice_sha256 = NULL, evidence_sha256 = NULL WHERE "
)


@pytest.mark.parametrize("erased_before", [False, True])
@pytest.mark.parametrize("which", ["position = (SELECT max(position) FROM consents)", "customer = 1"])
def test_a_single_withdrawal_emptied_by_other_hands_is_refused(
    shop: Shop, begin_anew: Callable[[], None], erased_before: bool, which: str
) -> None:
    """And so is a whole person of whom no erasure is on record; the triggers stand, nothing is dropped."""
    if erased_before:
        with Vault.open(shop.home.vault) as vault:
            shop.desk(vault).erase("ben")
    shop.said("ann", Act.WITHDRAWN)
    with Vault.open(shop.home.vault) as vault, vault.write() as connection:
        connection.execute(EMPTY + which)
    is_refused_everywhere(shop)
    begin_anew()
    is_refused_everywhere(shop)
    accepted = accept_restored_log(shop.home)
    with Vault.open(shop.home.vault) as vault:
        assert len(shop.desk(vault).cohort(COOP)) == 0
        assert accepted == shop.desk(vault).root()


@pytest.mark.parametrize("at", ["before", "after", "after and before"])
def test_an_erasure_that_is_cut_off_around_its_commit_leaves_a_log_in_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None], at: str
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    def cut_off_before(vault: Vault) -> None:
        keys = [vault.customer_key(name) for name in ("ann", "ben")]
        with vault.write() as connection:
            assert consent_log.ConsentLog(vault).empty(connection, keys) > 0
            crash()

    with monkeypatch.context() as patched, Vault.open(shop.home.vault) as vault:
        if "after" in at:
            patched.setattr(consent_log.ConsentLog, "settle", crash)
            with pytest.raises(KeyboardInterrupt):
                shop.desk(vault).erase("ann")
        if "before" in at:
            with pytest.raises(KeyboardInterrupt):
                cut_off_before(vault)
    begin_anew()
    given, gone = ConsentState.GRANTED, ConsentState.NOT_ASKED
    assert shop.state("ann") is (gone if "after" in at else given)
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).erase("ann") == (0 if "after" in at else 3)
        assert shop.desk(vault).erase("ben") == 3
    begin_anew()
    assert (shop.state("ann"), shop.state("ben")) == (gone, gone)
    assert json.loads(shop.head.read_text())["to_be_emptied"] is None


def test_who_is_erased_between_the_reading_of_the_head_and_of_the_vault_is_no_alarm(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ConsentAnchor.read
    with Vault.open(shop.home.vault) as reading, Vault.open(shop.home.vault) as erasing:
        again = ["ann"]

        def read_and_wait(anchor: ConsentAnchor) -> object:
            head = read(anchor)
            if again:
                shop.desk(erasing).erase(again.pop())
            return head

        monkeypatch.setattr(consent_log.ConsentAnchor, "read", read_and_wait)
        assert shop.desk(reading).cohort(COOP).customers == ()


def test_an_entry_can_be_emptied_but_not_in_part(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as vault:
        for change in ("salt = NULL", "customer = NULL, salt = NULL, act = NULL", "leaf = zeroblob(32)"):
            with pytest.raises(Exception, match="contradicts"), vault.write() as connection:
                connection.execute(f"UPDATE consents SET {change} WHERE position = 1")  # noqa: S608
