"""A consent log put back, rewritten or damaged is noticed, and nobody is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, ConsentState, Purpose, read_event
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.errors import ConsentLogRewoundError, InconsistentConsentLogError
from highstreet.client import consent_log
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_restoration import is_rewound
from highstreet.client.errors import ForgedCohortError
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from tests.client.conftest import NOW
from tests.client.rewound_shop import COOP, SAID, Shop, _uses, is_refused_everywhere


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_an_old_vault_put_back_is_refused_for_every_purpose_also_by_a_cohort_made_before(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN)
    with Vault.open(shop.home.vault) as vault:
        cohort, totals = shop.desk(vault).cohort(Purpose.SHOP_MODEL), shop.desk(vault).totals()
    shop.put_back(copy)
    for _ in range(2):
        with Vault.open(shop.home.vault) as vault:
            assert is_rewound(vault)
            for use in _uses(shop, vault, cohort, totals):
                with pytest.raises(ConsentLogRewoundError) as caught:
                    use()
                assert "accept-restored" in caught.value.for_user()
        begin_anew()


@pytest.mark.parametrize("word", ["cohort", "totals"])
def test_a_withdrawal_whose_head_a_crash_kept_from_being_kept_is_missed_once_anybody_was_used(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None], word: str
) -> None:
    shop.said("ann", Act.GIVEN)
    copy, head = shop.copied(), shop.head.read_bytes()
    with monkeypatch.context() as killed:
        killed.setattr(consent_log.ConsentLog, "settle", lambda _: None)
        shop.said("ann", Act.WITHDRAWN)
    assert shop.head.read_bytes() == head
    begin_anew()
    with Vault.open(shop.home.vault) as vault:
        desk = shop.desk(vault)
        if word == "cohort":
            assert vault.customer_key("ann") not in desk.cohort(COOP).customers
        else:
            desk.totals()
    assert shop.head.read_bytes() != head
    shop.put_back(copy)
    begin_anew()
    with Vault.open(shop.home.vault) as vault:
        assert is_rewound(vault)
        with pytest.raises(ConsentLogRewoundError):
            shop.desk(vault).cohort(COOP)


def test_a_cohort_that_was_made_later_than_a_vault_put_back_with_its_head_is_of_no_use(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    copy, head = shop.copied(), shop.head.read_bytes()
    shop.said("ann", Act.WITHDRAWN)
    shop.said("ann", Act.GIVEN)
    with Vault.open(shop.home.vault) as vault:
        cohort = shop.desk(vault).cohort(COOP)
    shop.put_back(copy)
    shop.head.write_bytes(head)  # nothing on this computer tells of what came after
    begin_anew()
    with Vault.open(shop.home.vault) as vault:
        assert not is_rewound(vault)
        with pytest.raises(ForgedCohortError):
            load_shop(vault, cohort, FeatureSchema(), NOW.date(), purpose=COOP)
        anew = shop.desk(vault).cohort(COOP)
        assert load_shop(vault, anew, FeatureSchema(), NOW.date(), purpose=COOP).customer_ids


def test_an_old_vault_that_was_added_to_is_refused_as_well(shop: Shop) -> None:
    copy, length = shop.copied(), 3
    for _ in range(length):
        shop.said("ann", Act.WITHDRAWN)
    newest = shop.head.read_bytes()
    shop.put_back(copy)
    shop.head.unlink()
    shop.by_hand("UPDATE consent_anchor SET is_kept = 0")
    for _ in range(length + 2):
        shop.said("ann", Act.GIVEN)
    shop.head.write_bytes(newest)  # the log goes beyond it, by another way
    is_refused_everywhere(shop)


@pytest.mark.parametrize(
    "damage",
    [
        lambda head: head.unlink(),
        lambda head: head.write_bytes(b""),
        lambda head: head.write_bytes(b"[]"),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"vault_id": "another"})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"position": 99})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"changes": 1})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"root": "00" * 32})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"version": 3})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"emptied": "00" * 32})),
        lambda head: head.write_text(json.dumps(json.loads(head.read_text()) | {"emptied": ""})),
    ],
)
def test_a_head_that_is_gone_damaged_or_another_is_refused(
    shop: Shop, damage: Callable[[Path], object], begin_anew: Callable[[], None]
) -> None:
    damage(shop.head)
    begin_anew()
    is_refused_everywhere(shop)


def test_an_entry_that_was_rewritten_is_found_by_its_leaf_or_else_by_the_root(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    shop.by_hand("UPDATE consents SET act = 'given' WHERE act = 'refused'")
    begin_anew()
    is_refused_everywhere(shop, InconsistentConsentLogError)
    # With the leaf made to fit: whoever has the vault has the salt.
    with Vault.open(shop.home.vault) as vault, vault.write() as connection:
        rows = connection.execute(
            "SELECT position, salt, event_id, customer, purpose, channel, act, at, valid_until, method,"
            " source, notice_version, language, notice_sha256, evidence_sha256 FROM consents"
        ).fetchall()
        for position, salt, *content in rows:
            leaf = consent_leaf(read_event(content), salt)
            connection.execute("UPDATE consents SET leaf = ? WHERE position = ?", (leaf, position))
    begin_anew()
    is_refused_everywhere(shop)


def test_an_entry_that_is_missing_is_told(shop: Shop, begin_anew: Callable[[], None]) -> None:
    shop.by_hand("DELETE FROM consents WHERE position = 3")
    begin_anew()
    with Vault.open(shop.home.vault) as vault, pytest.raises(InconsistentConsentLogError, match="entry 3"):
        shop.desk(vault).root()


def test_a_crash_between_the_log_and_its_head_loses_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begin_anew: Callable[[], None]
) -> None:
    before = shop.head.read_bytes()

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(consent_log.ConsentLog, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            shop.said("ann", Act.WITHDRAWN)
    begin_anew()
    assert shop.head.read_bytes() == before
    assert shop.state("ann") is ConsentState.WITHDRAWN
    shop.said("ben", Act.WITHDRAWN)
    assert json.loads(shop.head.read_text())["position"] == 8


def test_the_very_first_answers_are_anchored_whenever_the_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault says that it has an anchor in the same step as it gets its first entry, never before."""
    path = tmp_path / "vault.db"
    with Vault.open(path) as vault:
        with vault.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
        monkeypatch.setattr(consent_log, "_insert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ConsentDesk(vault).record("ann", COOP, Act.GIVEN, SAID)
        monkeypatch.undo()
        assert ConsentDesk(vault).position() == 0
        ConsentDesk(vault).record("ann", COOP, Act.GIVEN, SAID)
        assert len(ConsentDesk(vault).cohort(COOP)) == 1


def test_what_one_process_adds_another_sees_at_once(shop: Shop) -> None:
    with Vault.open(shop.home.vault) as one, Vault.open(shop.home.vault) as other:
        here, there = shop.desk(one), shop.desk(other)
        assert here.root() == there.root()
        here.record("ann", COOP, Act.WITHDRAWN, SAID)
        assert there.cohort(COOP).customers == ()
        there.record("ben", COOP, Act.GIVEN, SAID)
        assert len(here.cohort(COOP)) == 1
        assert here.root() == there.root()
