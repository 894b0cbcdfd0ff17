"""After the owner's word on a log that was put back, every yes is over and every no stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, ConsentState, Purpose
from highstreet.audit.errors import ConsentLogRewoundError, InconsistentConsentLogError
from highstreet.client import consent_log
from highstreet.client.consent_restoration import accept_restored_log, is_rewound
from highstreet.client.matching_inputs import MATCHING_PURPOSES
from highstreet.client.person_counts import PersonCounts
from highstreet.client.restoration import restore_store
from highstreet.client.vault import Vault
from highstreet.privacy.matching import Counts
from tests.client.conftest import CUSTOMERS, NOW, PRODUCTS
from tests.client.rewound_shop import COOP, SECONDS, Shop, is_refused_everywhere

ALSO = "cat,yes,yes,yes,form,2025-01-02T10:00:00Z"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def _old_copy_put_back(shop: Shop) -> None:
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN, Purpose.SHOP_MODEL)
    shop.put_back(copy)


def test_after_the_owners_word_every_yes_is_over_every_no_stands_and_a_new_yes_counts(shop: Shop) -> None:
    _old_copy_put_back(shop)
    accept_restored_log(shop.home)
    again, no = ConsentState.RECONSENT_NEEDED, ConsentState.REFUSED
    shop.now = int((datetime.now(UTC) + timedelta(seconds=5)).timestamp()) * SECONDS
    assert [shop.state("ann", purpose) for purpose in list(Purpose)[:3]] == [again] * 3
    assert [shop.state("ben", purpose) for purpose in list(Purpose)[:3]] == [no, again, no]
    # What was said before does not come back by a file.
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    shop.imported("later", "customers.csv", CUSTOMERS.replace("2025-01-02", yesterday))
    assert shop.state("ann") is again
    shop.said("ann", Act.GIVEN)
    with Vault.open(shop.home.vault) as vault:
        assert shop.desk(vault).cohort(COOP).customers == (vault.customer_key("ann"),)
        assert is_rewound(vault) is False


def test_a_yes_dated_ahead_does_not_survive_the_owners_word(shop: Shop) -> None:
    shop.now += 10**9 * SECONDS
    shop.said("ann", Act.GIVEN)
    copy = shop.copied()
    shop.said("ann", Act.WITHDRAWN)
    shop.put_back(copy)
    accept_restored_log(shop.home)
    shop.now += 10**9 * SECONDS
    assert shop.state("ann") is ConsentState.RECONSENT_NEEDED


@pytest.mark.parametrize("at", ["add_unknown", "settle_unknown"])
def test_the_owners_word_that_was_cut_off_accepted_nothing_and_can_be_given_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    _old_copy_put_back(shop)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(consent_log.ConsentLog, at, crash)
        with pytest.raises(KeyboardInterrupt):
            accept_restored_log(shop.home)
    is_refused_everywhere(shop)
    accepted = accept_restored_log(shop.home)
    with Vault.open(shop.home.vault) as vault:
        assert len(shop.desk(vault).cohort(COOP)) == 0
        assert accepted == shop.desk(vault).root()


def test_a_log_that_does_not_fit_its_leaves_is_never_accepted(
    shop: Shop, begin_anew: Callable[[], None]
) -> None:
    shop.by_hand("UPDATE consents SET act = 'given' WHERE act = 'refused'")
    begin_anew()
    kept = shop.head.read_bytes()
    with pytest.raises(InconsistentConsentLogError, match="was changed"):
        accept_restored_log(shop.home)
    assert shop.head.read_bytes() == kept


def test_counts_of_matchings_go_with_the_log_that_they_were_taken_under(shop: Shop) -> None:
    for purpose in MATCHING_PURPOSES:
        shop.said("ann", Act.GIVEN, purpose)
    shop.home.coop.mkdir()
    with Vault.open(shop.home.vault) as vault:
        ann = str(vault.customer_key("ann"))
        counts = PersonCounts(shop.home.person_counts, vault_id=vault.vault_id)
        counts.save(b"t" * 32, Counts({ann: 2}), {ann: b"i" * 32}, consent_position=3)
    accept_restored_log(shop.home)
    kept = counts.latest()
    assert kept is not None
    assert not kept.shops


def test_a_shop_that_was_restored_as_a_whole_asks_everybody_again(shop: Shop) -> None:
    restore_store(shop.home, today=NOW.date())
    again = ConsentState.RECONSENT_NEEDED
    assert [shop.state("ann", purpose) for purpose in list(Purpose)[:3]] == [again] * 3


def test_files_without_answers_are_saved_whatever_became_of_the_log(shop: Shop) -> None:
    _old_copy_put_back(shop)
    shop.imported("products", "products.csv", PRODUCTS)
    with pytest.raises(ConsentLogRewoundError):
        shop.imported("customers", "customers.csv", CUSTOMERS.replace("cat,,,,,", ALSO))
