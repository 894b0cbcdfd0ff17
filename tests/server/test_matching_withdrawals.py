"""Who withdraws or has another address has no count, and keys are gone when a matching is past."""

from __future__ import annotations

from pathlib import Path

import pytest
from counted_shops import assert_counted, coop_of, ids_of
from matching_coop import Shop


def test_keys_and_tags_are_gone_once_the_time_of_a_matching_has_passed(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s1="read", s2="read")
    coop.match()
    assert coop.ended() == ("finished", "")
    shop = coop.stores[1]
    assert isinstance(shop, Shop)
    assert len(shop.secrets.under_way()) == 1
    coop.clock.now += 1
    books = shop.desk(coop)._matching._books  # type: ignore[union-attr]
    books.end_expired(coop.clock())
    assert shop.secrets.under_way() == ()
    assert all(kept.store is kept.matched is kept.holder is None for kept in shop.secrets.kept.values())


def test_who_withdraws_before_the_table_is_given_is_in_no_count(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)

    def withdraw(step: str, shop: Shop, body: bytes) -> bytes:
        if step == "give" and shop.number == 1:
            shop.customers.discard("anna")
        return body

    coop.bent = withdraw
    coop.match()
    first = coop.stores[1]
    assert isinstance(first, Shop)
    assert first.read is not None
    assert "anna" not in first.read
    assert_counted(coop)


@pytest.mark.parametrize("at", ["give", "read"])
def test_who_has_another_address_than_in_the_list_has_no_count(tmp_path: Path, at: str) -> None:
    coop = coop_of(tmp_path)

    def correct(step: str, shop: Shop, body: bytes) -> bytes:
        if step == at and shop.number == 1:
            shop.emails = {"anna": "hannah@example.org", "cara": " CARA@example.org"}
        return body

    coop.bent = correct
    coop.match()
    first, second = coop.shops[ids_of(1)[0]].read, coop.shops[ids_of(2)[0]].read
    assert first is not None
    assert second is not None
    assert "anna" not in first
    # The twin: Cara is the same person in another spelling. Somebody may be unknown by chance.
    assert len(first.keys() & {"bert", "cara"}) >= 1
    # Before the table the shop is not counted for her any more, later it is, until the next matching.
    assert second.get("anna", 0) in (0, 3 if at == "give" else 4)


def test_who_withdraws_once_the_table_is_given_has_no_count_and_the_others_are_counted_right(
    tmp_path: Path,
) -> None:
    coop = coop_of(tmp_path)
    true = coop.true_counts()

    def withdraw(step: str, shop: Shop, body: bytes) -> bytes:
        if step == "read" and shop.number == 1:
            shop.customers.discard("anna")
        return body

    coop.bent = withdraw
    coop.match()
    first = coop.stores[1]
    assert isinstance(first, Shop)
    assert first.read is not None
    assert "anna" not in first.read
    assert len(first.read.keys() & {"bert", "cara"}) >= 1  # one may be unknown
    for shop in coop.shops.values():
        assert shop.read is not None
        assert shop.read.items() <= true[shop.member_id].items()
