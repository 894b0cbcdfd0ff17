"""Special products and people set apart: models never see them, and the catalogue tells nothing of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.cli import main
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import ConsentedCohort, Exclusion
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.shop_loader import load_shop, special_products
from highstreet.client.shop_totals import best_sellers, last_order_day, shop_sizes
from highstreet.client.special_products import default_list, read_special_products, special_list_path
from highstreet.client.suggestions import Policy, suggest
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Product, ShopData
from tests.client.conftest import NOW

SAID = How(method=Method.SPOKEN, source="till")
TODAY = date(2026, 11, 22)
SENSITIVE = Purpose.SENSITIVE_CATEGORIES


def _product(category: str = "", product_type: str = "", product_id: str = "p", title: str = "") -> Product:
    return Product(
        product_id=product_id,
        title=title,
        category=category,
        product_type=product_type,
        brand="",
        maker="",
        size="",
        price=None,
        gtin="",
    )


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        (_product("BABY FOODS"), "baby"),
        (_product("", "Pain-Relief"), "health"),
        (_product("Drogerie", "Nahrungsergänzung"), "health"),
        (_product("Family", "Planning"), None),  # a phrase stands in one field
        (_product("FAMILY PLANNING"), "health"),
        (_product("Babysitting books"), None),  # whole words only
        (_product("Vegetables", "Carrots", title="Baby carrots"), None),  # titles say too much
        (_product("Kosher"), "religion"),
        (_product("Adult"), "adult"),
        (_product("Tea"), None),
        (_product(title="Condoms 12"), "adult"),  # nothing else is left to go by
        (_product(title="Condom"), "adult"),
        (_product(" - ", "/", title="Kosher wine"), "religion"),  # no word in either
        (_product(title="Baby carrots"), "baby"),  # too much rather than too little
        (_product(title="Green tea"), None),
        (_product("Drugstore", title="Condoms 12"), None),  # what there is, is gone by
        (_product("", "Hygiene", title="Condoms 12"), None),
    ],
)
def test_the_default_list_goes_by_whole_words_of_category_and_type_and_without_either_of_the_title(
    product: Product, kind: str | None, tmp_path: Path
) -> None:
    assert read_special_products(tmp_path).kind_of(product) == kind


def test_a_shop_edits_the_list(tmp_path: Path) -> None:
    special_list_path(tmp_path).write_text(
        '[kinds]\nbaby = []\nadult = ["spirits"]\n[products]\nalways = ["p7"]\nnever = ["p8"]\n'
    )
    special = read_special_products(tmp_path)
    assert special.kind_of(_product("Baby food")) is None
    assert special.kind_of(_product("Wine & Spirits")) == "adult"
    assert special.kind_of(_product("Tea", product_id="p7")) == "named"
    assert special.kind_of(_product("Spirits", product_id="p8")) is None
    special_list_path(tmp_path).write_text(default_list())
    assert special.kind_of(_product("Baby food")) != read_special_products(tmp_path).kind_of(
        _product("Baby food")
    )


@pytest.fixture
def shop(tmp_path: Path, full_vault: Vault) -> StoreHome:
    """Ann bought tea and rye; rye is of a sensitive kind here. Ben bought jam."""
    home = StoreHome(tmp_path / "store")
    special_list_path(home.root).write_text('[kinds]\nhealth = ["bread"]\n')
    ConsentDesk(full_vault).record("ann", Purpose.COOP_LEARNING, Act.GIVEN, SAID)
    return home


def test_a_product_of_a_title_alone_is_learnt_from_and_suggested_only_where_that_was_agreed_to(
    shop: StoreHome, full_vault: Vault, tmp_path: Path
) -> None:
    special_list_path(shop.root).unlink()
    with full_vault.write() as connection:
        connection.execute(
            "UPDATE products SET title = 'Condoms 12', category = '', product_type = ''"
            " WHERE product_id = 'rye'"
        )
    assert special_products(full_vault) == {"rye"}
    assert _bought(_load(full_vault)) == {"tea", "jam"}
    assert {item.product_id for item in suggest(shop, "ann", k=10).items} == {"tea", "jam"}
    ConsentDesk(full_vault).record("ann", SENSITIVE, Act.GIVEN, SAID)
    assert _bought(_load(full_vault)) == {"tea", "jam", "rye"}
    # The twin: with a product type that is not on the list, it is a product like any other.
    with full_vault.write() as connection:
        connection.execute("UPDATE products SET product_type = 'Hygiene' WHERE product_id = 'rye'")
    assert special_products(full_vault) == frozenset()


def test_an_import_says_how_many_products_have_only_a_title_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(name: str, rows: str) -> str:
        (tmp_path / name).write_text(f"product_id,title,category,product_type\n{rows}")
        assert main(["store", "import", str(tmp_path / name), "--home", str(tmp_path / "store")]) == 0
        return capsys.readouterr().out

    assert "sensitive kind" not in told("a.csv", "p1,Tea,Drinks,\np2,Rye,,Bread\n")
    said = told("b.csv", "p3,Condoms 12,,\np4,Soap,,\n")
    assert "2 listed products have neither a category nor a product type" in said
    assert "Next: add either to the file of products" in said
    assert "1 listed products" in told("c.csv", "p3,Condoms 12,Adult,\n")
    assert "sensitive kind" not in told("d.csv", "p4,Soap,,Soap\n")


def _load(vault: Vault, purpose: Purpose = Purpose.SHOP_MODEL) -> ShopData:
    return _load_by(vault, ConsentDesk(vault).cohort(purpose), purpose)


def _load_by(vault: Vault, cohort: ConsentedCohort, purpose: Purpose = Purpose.SHOP_MODEL) -> ShopData:
    return load_shop(vault, cohort, FeatureSchema(), TODAY, purpose=purpose)


def _bought(shop: ShopData) -> set[str]:
    return {shop.catalogue.product_ids[item] for item in shop.purchases.item}


@pytest.mark.parametrize("text", ["[kinds", "[kinds]\nbaby = 3\n", "[things]\n", "[kinds]\n[extra]\n"])
def test_a_list_that_cannot_be_read_opens_nothing(shop: StoreHome, full_vault: Vault, text: str) -> None:
    special_list_path(shop.root).write_text(text)
    with pytest.raises(StoreConfigError, match="special_products"):
        _load(full_vault)


def test_purchases_of_a_sensitive_kind_reach_models_only_of_who_agreed_to_that(
    shop: StoreHome, full_vault: Vault
) -> None:
    desk = ConsentDesk(full_vault)
    before = _load(full_vault)
    assert _bought(before) == {"tea", "jam"}
    assert special_products(full_vault) == {"rye"}
    desk.record("ben", SENSITIVE, Act.GIVEN, SAID)
    assert _bought(_load(full_vault)) == {"tea", "jam"}  # another's yes is not Ann's
    desk.record("ann", SENSITIVE, Act.GIVEN, SAID)
    after = _load(full_vault)
    assert _bought(after) == {"tea", "jam", "rye"}
    desk.record("ann", SENSITIVE, Act.WITHDRAWN, SAID)
    assert _bought(_load(full_vault)) == {"tea", "jam"}
    # The catalogue says nothing of it.
    assert before.catalogue.product_ids == after.catalogue.product_ids == ("jam", "rye", "tea")


def test_a_withdrawal_of_sensitive_categories_beats_a_cohort_already_made(
    shop: StoreHome, full_vault: Vault
) -> None:
    desk = ConsentDesk(full_vault)
    desk.record("ann", SENSITIVE, Act.GIVEN, SAID)
    cohort = desk.cohort(Purpose.SHOP_MODEL)
    desk.record("ann", SENSITIVE, Act.WITHDRAWN, SAID)
    assert "rye" not in _bought(_load_by(full_vault, cohort))


def test_special_products_are_suggested_only_to_who_agreed(shop: StoreHome, full_vault: Vault) -> None:
    def shown(who: str) -> set[str]:
        return {item.product_id for item in suggest(shop, who, k=10).items}

    assert shown("ann") == {"tea", "jam"}
    assert shown("cat") == {"tea", "jam"}  # best-sellers
    desk = ConsentDesk(full_vault)
    desk.record("ann", SENSITIVE, Act.GIVEN, SAID)
    assert shown("ann") == {"tea", "jam", "rye"}
    assert shown("cat") == {"tea", "jam"}


@pytest.mark.parametrize("reason", Exclusion)
def test_who_is_set_apart_is_in_no_cohort_whatever_they_agreed_to(
    shop: StoreHome, full_vault: Vault, reason: Exclusion
) -> None:
    desk, ann = ConsentDesk(full_vault), full_vault.customer_key("ann")
    cohort = desk.cohort(Purpose.SHOP_MODEL)
    desk.exclude("ann", reason)
    desk.exclude("ann", reason)
    assert desk.exclusions(ann) == {reason}
    for purpose in Purpose:
        desk.record("ann", purpose, Act.GIVEN, SAID)
        assert ann not in desk.cohort(purpose).customers
    # Also one made before.
    assert str(ann) not in _load_by(full_vault, cohort).customer_ids
    found = suggest(shop, "ann", k=3)
    assert found.policy is Policy.POPULAR
    assert "used for nothing" in found.notes[0]
    desk.include("ann", reason)
    assert ann in desk.cohort(Purpose.SHOP_MODEL).customers


def test_a_customers_file_says_who_is_a_minor(full_vault: Vault, tmp_path: Path) -> None:
    desk, ann = ConsentDesk(full_vault), full_vault.customer_key("ann")

    def imported(name: str, minor: str) -> None:
        (tmp_path / name).write_text(f"customer_id,minor,consent_recorded_at\nann,{minor},\nben,,\n")
        list(Importer(full_vault, now=NOW).run([tmp_path / name]))

    imported("a.csv", "yes")
    assert desk.exclusions(ann) == {Exclusion.MINOR}
    imported("b.csv", "")  # says nothing
    assert desk.exclusions(ann) == {Exclusion.MINOR}
    imported("c.csv", "no")  # it may be older than what is known: the owner alone takes it back
    assert desk.exclusions(ann) == {Exclusion.MINOR}


@pytest.mark.parametrize("reason", Exclusion)
@pytest.mark.parametrize("purpose", [Purpose.SUGGESTIONS_HERE, Purpose.SHOP_MODEL])
def test_totals_leave_out_who_objected_or_is_excluded_and_nobody_else(
    full_vault: Vault, purpose: Purpose, reason: Exclusion
) -> None:
    desk = ConsentDesk(full_vault)

    def people() -> dict[str, int]:
        return {each.product_id: each.people for each in best_sellers(full_vault, desk.totals(), since_day=0)}

    everybody = {"tea": 2, "rye": 1, "jam": 1}  # tea by Ann and a guest
    assert people() == everybody
    desk.record("ann", purpose, Act.WITHDRAWN, SAID)
    desk.record("ann", Purpose.EMAIL_MARKETING, Act.OBJECTED, SAID)
    assert people() == everybody
    totals = desk.totals()
    desk.record("ann", purpose, Act.OBJECTED, SAID)
    assert people() == {"tea": 1, "jam": 1}
    # Also with leave given before.
    assert {each.product_id for each in best_sellers(full_vault, totals, since_day=0)} == {"tea", "jam"}
    sizes = shop_sizes(full_vault, totals)
    assert (sizes.customers, sizes.orders, sizes.lines) == (2, 2, 2)  # Ben, Cat and a guest's order
    desk.exclude("ben", reason)
    assert people() == {"tea": 1}
    sizes = shop_sizes(full_vault, totals)
    assert (sizes.customers, sizes.orders, sizes.lines) == (1, 1, 1)
    assert last_order_day(full_vault, desk.totals()) == 20614  # 2026-06-10, a guest's


def test_a_shop_without_orders_has_no_last_day(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "empty" / "vault.db") as empty:
        assert last_order_day(empty, ConsentDesk(empty).totals()) is None
