import json

import polars as pl
import pytest
from journeys import journey_like

from highstreet.simulations import journey
from highstreet.simulations.errors import InvalidSplitError, MissingExtraError, SampleFolderError
from highstreet.simulations.sample import write_sample


@pytest.fixture(autouse=True)
def miniature(monkeypatch):
    monkeypatch.setattr(journey, "read_journey", journey_like)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    write_sample(tmp_path / "one", stores=2)
    write_sample(tmp_path / "two", stores=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_smallest_and_largest_shop_are_among_the_chosen(tmp_path):
    shops = write_sample(tmp_path / "out", stores=2)
    assert [(shop.name, shop.customers) for shop in shops] == [("S2", 20), ("S3", 45)]


def test_shops_share_no_ids(tmp_path):
    write_sample(tmp_path / "out", stores=3)
    seen = {}
    for shop in ("S1", "S2", "S3"):
        orders = pl.read_csv(tmp_path / "out" / shop / "orders.csv")
        for column in ("order_id", "customer_id", "product_id"):
            assert all(name.startswith(shop) for name in orders[column])
            seen.setdefault(column, []).extend(orders[column].unique().to_list())
    assert all(len(names) == len(set(names)) for names in seen.values())


def test_numbers_of_products_say_nothing_in_another_shop(tmp_path):
    write_sample(tmp_path / "out", stores=3, stand_in_gtin=True)
    by_number = [
        pl.read_csv(tmp_path / "out" / shop / "products.csv", infer_schema=False)["gtin"].to_list()
        for shop in ("S1", "S2", "S3")
    ]
    assert sorted(by_number[0]) == sorted(by_number[1])
    assert by_number[0] != by_number[1]


def test_later_weeks_are_held_back(tmp_path):
    write_sample(tmp_path / "out", stores=1, until_week=45)
    orders = pl.read_csv(tmp_path / "out" / "S3" / "orders.csv")
    later = pl.read_csv(tmp_path / "out" / "S3" / "holdout_orders.csv")
    assert orders["ordered_at"].max() < later["ordered_at"].min()
    assert set(later["customer_id"]) <= set(orders["customer_id"])
    assert set(later["product_id"]) <= set(orders["product_id"])


def test_consent_answers_are_drawn_and_say_so(tmp_path):
    shops = write_sample(tmp_path / "out", stores=3)
    people = pl.concat(
        [pl.read_csv(tmp_path / "out" / shop.name / "customers.csv", infer_schema=False) for shop in shops]
    )
    yes = (people["consent_coop_learning"] == "yes").mean()
    spread = (0.85 * 0.15 / len(people)) ** 0.5
    assert abs(yes - 0.85) < 4 * spread
    assert all("drawn" in source for source in people["consent_source"])
    assert people["consent_recorded_at"].unique().to_list() == ["2017-01-01T00:00:00Z"]


def test_fuel_and_coupons_are_not_products(tmp_path):
    write_sample(tmp_path / "out", stores=1)
    products = pl.read_csv(tmp_path / "out" / "S3" / "products.csv", infer_schema=False)
    assert len(products) == 10


def test_no_cell_begins_like_a_formula(tmp_path):
    write_sample(tmp_path / "out", stores=1)
    products = pl.read_csv(tmp_path / "out" / "S3" / "products.csv", infer_schema=False)
    assert set(products["category"]) == {"TEA", "MILK"}


def test_prices_are_what_the_shelf_said(tmp_path):
    write_sample(tmp_path / "out", stores=1)
    orders = pl.read_csv(tmp_path / "out" / "S3" / "orders.csv")
    assert orders["unit_price"].unique().to_list() == [1.75]  # (3.00 paid + 0.50 off) / 2 pieces
    assert orders["discount"].unique().to_list() == [0.75]


def test_readme_names_the_source_and_the_index_the_shops(tmp_path):
    write_sample(tmp_path / "out", stores=2)
    text = (tmp_path / "out" / "README.txt").read_text()
    assert "simulated from real shopping, for education" in text
    index = json.loads((tmp_path / "out" / "stores.json").read_text())
    assert [shop["name"] for shop in index["stores"]] == ["S2", "S3"]


def test_an_earlier_sample_is_replaced_and_anything_else_left_alone(tmp_path):
    out = tmp_path / "out"
    write_sample(out, stores=3)
    write_sample(out, stores=1)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["S3"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(SampleFolderError):
        write_sample(other, stores=1)
    assert files(other) == {"letter.txt": b"mine"}


def test_more_shops_than_there_are_is_refused(tmp_path):
    with pytest.raises(InvalidSplitError, match="the data have 3"):
        write_sample(tmp_path / "out", stores=4)
    assert not (tmp_path / "out").exists()


def test_missing_data_package_is_named_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.undo()

    def nothing(_name):
        raise ModuleNotFoundError

    monkeypatch.setattr(journey.resources, "files", nothing)
    with pytest.raises(MissingExtraError) as refusal:
        write_sample(tmp_path / "out")
    assert "highstreet[lab]" in refusal.value.next_step
