"""The consent log at its edges: rows that are none, transactions that end in nothing, a bare anchor."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Channel, ConsentEvent, Method
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.errors import ConsentLogRewoundError, InconsistentConsentLogError
from highstreet.client import consent_log
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_anchor import ConsentAnchor, ConsentHead
from highstreet.client.consent_log import ConsentLog
from highstreet.client.consent_restoration import accept_restored_log
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.errors import VaultBusyError
from highstreet.client.vault import Vault
from tests.client.rewound_shop import COOP, SAID, Shop, is_refused_everywhere

SALT = bytes(range(32))


class _StopError(Exception):
    """Ends a transaction before its commit."""


def _event(number: int = 0, customer: int = 1) -> ConsentEvent:
    return ConsentEvent(
        event_id=f"{number:032x}",
        customer=customer,
        purpose=COOP,
        channel=Channel.EVERYWHERE,
        act=Act.WITHDRAWN,
        at=1_700_000_000_000_000 + number,
        valid_until=None,
        method=Method.SPOKEN,
        source="till",
        notice=None,
        evidence_sha256=None,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Ann and Ben have answered three things each."""
    return Shop(tmp_path)


@pytest.fixture
def silent(vault: Vault) -> Vault:
    """A vault with one customer, whom nobody has asked anything."""
    with vault.write() as connection:
        connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
    return vault


def _row(**change: object) -> tuple[object, ...]:
    event = _event()
    values: dict[str, object] = dict.fromkeys(
        f"position leaf salt {consent_log._CONTENT}".replace(",", "").replace('"', "").split()
    )
    values.update(
        position=1,
        leaf=consent_leaf(event, SALT),
        salt=SALT,
        event_id=event.event_id,
        customer=1,
        purpose=COOP.value,
        channel=event.channel.value,
        act=event.act.value,
        at=event.at,
        method=event.method.value,
        source=event.source,
    )
    assert set(change) <= set(values)
    return tuple({**values, **change}.values())


EMPTY = dict.fromkeys(
    ("salt", "event_id", "customer", "purpose", "channel", "act", "at", "method", "source"), None
)


def test_a_row_and_an_emptied_one_are_entries() -> None:
    assert consent_log._logged(_row()).event == _event()
    assert consent_log._logged(_row(**EMPTY)) == (1, consent_leaf(_event(), SALT), None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"position": None},
        {"position": "1"},
        {"leaf": None},
        {"leaf": "x" * 32},
        {"leaf": bytes(31)},
        {**EMPTY, "leaf": None},
        {**EMPTY, "leaf": "x" * 32},
        {**EMPTY, "leaf": bytes(31)},
        {**EMPTY, "leaf": bytes(33)},
        {**EMPTY, "salt": SALT},
        {**EMPTY, "source": "till"},
        {"salt": None},
        {"salt": "x" * 32},
        {"salt": SALT[::-1]},
        {"act": "given"},
        {"act": "perhaps"},
    ],
)
def test_a_row_that_other_hands_made_is_no_entry(change: dict[str, object]) -> None:
    with pytest.raises(InconsistentConsentLogError) as caught:
        consent_log._logged(_row(**change))
    assert not isinstance(caught.value, ConsentLogRewoundError)  # which an owner's word could accept


def test_who_reads_a_log_of_nothing_leaves_nothing(silent: Vault) -> None:
    with ConsentLog(silent).relied_on() as (_, log):
        assert not log.is_unsettled
    assert ConsentAnchor.of_vault(silent.path, silent.vault_id).read() is None


def test_who_was_set_apart_where_nobody_ever_answered_is_kept_outside_by_the_next_use(
    silent: Vault, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    anchor = ConsentAnchor.of_vault(silent.path, silent.vault_id)
    with monkeypatch.context() as patched:
        patched.setattr(ConsentLog, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            ConsentDesk(silent).exclude("ann", Exclusion.RESTRICTED)
    begin_anew()
    assert anchor.read() is None
    ConsentDesk(silent).totals()
    kept = anchor.read()
    assert kept is not None
    assert (kept.position, kept.changes) == (0, 1)


def test_from_the_first_answer_on_there_has_to_be_an_anchor(
    silent: Vault, begin_anew: Callable[[], None]
) -> None:
    """Also when the power went before its place was kept there."""
    log = ConsentLog(silent)
    with silent.write() as connection:
        log.add(connection, [_event()])
    begin_anew()
    ConsentAnchor.of_vault(silent.path, silent.vault_id).path.unlink()
    with pytest.raises(ConsentLogRewoundError, match="is gone"), log.reading():
        pass


def test_an_anchor_written_when_the_power_went_is_asked_for_from_the_next_use_on(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    """The vault did not come to say that it has one."""
    shop.by_hand("UPDATE consent_anchor SET is_kept = 0")
    with Vault.open(shop.home.vault) as vault:
        assert len(shop.desk(vault).cohort(COOP)) == 1
    begin_anew()
    shop.head.unlink()
    is_refused_everywhere(shop)


def test_an_erasure_where_nobody_ever_answered_is_announced_and_kept(
    silent: Vault, begin_anew: Callable[[], None]
) -> None:
    log, anchor = ConsentLog(silent), ConsentAnchor.of_vault(silent.path, silent.vault_id)
    with silent.write() as connection:
        assert log.empty(connection, [1]) == 0
    announced = anchor.read()
    assert announced is not None
    assert (announced.position, announced.to_be_emptied) == (0, hashlib.sha256().digest())
    begin_anew()
    anchor.path.unlink()
    with pytest.raises(ConsentLogRewoundError, match="is gone"), log.reading():
        pass


def test_what_is_announced_holds_nothing_of_a_transaction_that_ends_in_nothing(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as vault:
        log, before = ConsentLog(vault), shop.desk(vault).root()
        ben = vault.customer_key("ben")
        with suppress(_StopError), vault.write() as connection:
            log.add(connection, [_event()])
            log.empty(connection, [ben])
            raise _StopError
        assert shop.desk(vault).root() == before
        assert len(shop.desk(vault).cohort(COOP)) == 1


def test_adding_twice_in_a_transaction_that_ends_in_nothing_adds_nothing(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as vault:
        log, before = ConsentLog(vault), shop.desk(vault).root()
        with suppress(_StopError), vault.write() as connection:
            assert log.add(connection, [_event(1)]) == 1
            assert log.add(connection, [_event(2)]) == 1
            raise _StopError
        assert shop.desk(vault).root() == before
        shop.desk(vault).record("ann", COOP, Act.WITHDRAWN, SAID)
        assert shop.desk(vault).position() == before.position + 1


def test_entries_emptied_in_a_vault_that_says_it_never_had_an_anchor_are_refused(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    columns = ", ".join(f'"{name}" = NULL' for name in EMPTY)
    shop.by_hand(
        f"UPDATE consents SET {columns} WHERE position = 2",  # noqa: S608
        "UPDATE consent_anchor SET is_kept = 0",
    )
    shop.head.unlink()
    is_refused_everywhere(shop)
    begin_anew()
    is_refused_everywhere(shop)


def test_the_owners_word_takes_no_log_whose_entries_were_changed_while_it_was_read(shop: Shop) -> None:
    """Of what this process has read already it takes nothing on trust then."""
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN)
    shop.put_back(copy)
    is_refused_everywhere(shop)
    shop.by_hand("UPDATE consents SET source = 'elsewhere' WHERE position = 2")
    with pytest.raises(InconsistentConsentLogError) as caught:
        accept_restored_log(shop.home)
    assert not isinstance(caught.value, ConsentLogRewoundError)


def test_a_log_of_one_entry_put_in_the_place_of_another_is_noticed_at_once(silent: Vault) -> None:
    """By the process that has read the first; another one holds it against the anchor."""
    log = ConsentLog(silent)
    with silent.write() as connection:
        log.add(connection, [_event(1)])
    log.settle()
    with log.reading():
        pass
    salt = bytes(32)
    with silent.write() as connection:
        connection.execute("DROP TRIGGER IF EXISTS consents_are_not_changed")
        connection.execute(
            'UPDATE consents SET act = ?, salt = ?, leaf = ?, event_id = ?, "at" = ?',
            ("refused", salt, bytes(32), f"{9:032x}", _event(9).at),
        )
    with pytest.raises(InconsistentConsentLogError), log.reading():
        pass


def test_which_entries_are_empty_is_hashed_as_it_always_was(shop: Shop) -> None:
    """SHA-256 over their positions, 8 bytes each: heads that are kept already must go on fitting."""
    with Vault.open(shop.home.vault) as vault:
        key = vault.customer_key("ann")
        with vault.read() as connection:
            wanted = "SELECT position FROM consents WHERE customer = ? ORDER BY position"
            places = [place for (place,) in connection.execute(wanted, (key,))]
        shop.desk(vault).erase("ann")
    assert len(places) == 3
    hashed = hashlib.sha256(b"".join(place.to_bytes(8, "big") for place in places)).hexdigest()
    assert json.loads(shop.head.read_text())["emptied"] == hashed


@pytest.mark.parametrize("field", ["emptied", "to_be_emptied"])
@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "xx" * 32, 7])
def test_a_head_whose_hashes_are_none_is_refused(shop: Shop, field: str, text: object) -> None:
    plain = json.loads(shop.head.read_text())
    shop.head.write_text(json.dumps({**plain, field: text}))
    is_refused_everywhere(shop)


def _reads(*heads: ConsentHead | None) -> Callable[[ConsentAnchor], ConsentHead | None]:
    """An anchor that says one thing and then another, as it does while somebody else erases."""
    left = list(heads)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def _with_emptied(head: ConsentHead | None, emptied: bytes) -> ConsentHead:
    assert head is not None
    return ConsentHead(head.position, head.root, head.changes, emptied)


def test_an_anchor_that_goes_while_it_is_read_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    with Vault.open(shop.home.vault) as vault:
        first = _with_emptied(ConsentAnchor.of_vault(vault.path, vault.vault_id).read(), bytes(32))
        monkeypatch.setattr(ConsentAnchor, "read", _reads(first, None))
        begin_anew()
        with pytest.raises(ConsentLogRewoundError, match="though nobody was erased"):
            shop.desk(vault).root()


def test_people_who_are_erased_one_after_the_other_are_waited_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    with Vault.open(shop.home.vault) as vault:
        kept = ConsentAnchor.of_vault(vault.path, vault.vault_id).read()
        heads = [_with_emptied(kept, bytes([number] * 32)) for number in (1, 2)]
        monkeypatch.setattr(ConsentAnchor, "read", _reads(*heads))
        begin_anew()
        with pytest.raises(VaultBusyError, match="at this moment"):
            shop.desk(vault).root()


def test_more_vaults_than_are_kept_folded_are_read_rightly(tmp_path: Path, shop: Shop) -> None:
    """Each under its own place: what was read of one is nothing for another."""
    for number in range(consent_log._KEPT_FOLDS + 2):
        folder = tmp_path / f"other-{number}"
        shutil.copytree(shop.home.root, folder)
        with Vault.open(folder / shop.home.vault.name) as vault:
            desk = shop.desk(vault)
            desk.record("ann" if number % 2 else "ben", COOP, Act.WITHDRAWN, SAID)
            assert len(desk.cohort(COOP)) == (0 if number % 2 else 1)
    assert len(consent_log._FOLDS) == consent_log._KEPT_FOLDS
