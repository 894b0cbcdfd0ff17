from datetime import date

import polars as pl
import pytest

from highstreet.simulations.errors import InvalidTableError
from highstreet.simulations.tables import load_tables, tables_of

HEAD = "store_id,customer_id,product_id,ordered_at,quantity\n"
ORDERS = HEAD + "a,c1,p1,2024-01-03,1\na,c2,p1,2024-01-08T09:30:00,2\n"
PRODUCTS = "product_id,title,price\np1,Tea,2.50\n"


def folder(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_weeks_are_counted_from_the_monday_of_the_first_order(tmp_path):
    tables = load_tables(folder(tmp_path, orders=ORDERS, products=PRODUCTS))
    assert tables.first_monday == date(2024, 1, 1)
    assert tables.orders["week"].to_list() == [1, 2]
    assert tables.day_number(1) == (date(2024, 1, 1) - date(1970, 1, 1)).days


def test_parquet_gives_the_same_as_csv(tmp_path):
    csv = load_tables(folder(tmp_path, orders=ORDERS, products=PRODUCTS))
    other = tmp_path / "other"
    other.mkdir()
    for name in ("orders", "products"):
        pl.read_csv(tmp_path / f"{name}.csv").write_parquet(other / f"{name}.parquet")
    assert load_tables(other).orders.equals(csv.orders)


def test_ratings_without_a_store_are_one_shop():
    ratings = pl.DataFrame(
        {"customer_id": [1, 2], "product_id": [10, 11], "ordered_at": [881250949, 891717742]}
    )
    tables = tables_of(name="r", note="", orders=ratings, products=pl.DataFrame({"product_id": [10, 11]}))
    assert tables.orders["store_id"].unique().to_list() == ["shop"]
    assert tables.orders["day"].to_list() == [date(1997, 12, 4), date(1998, 4, 4)]


def test_unix_seconds_are_the_same_in_a_csv_file(tmp_path):
    orders = "customer_id,product_id,ordered_at\n1,10,881250949\n2,11, 891717742\n"
    tables = load_tables(folder(tmp_path, orders=orders, products="product_id\n10\n11\n"))
    assert tables.orders["day"].to_list() == [date(1997, 12, 4), date(1998, 4, 4)]


@pytest.mark.parametrize("at", [1_714_953_600_000, 2**62, -(2**62)])
def test_seconds_beyond_any_year_are_refused(tmp_path, at):
    orders = pl.DataFrame({"customer_id": ["c"], "product_id": ["p1"], "ordered_at": [at]})
    with pytest.raises(InvalidTableError, match="Unix seconds in 1 row"):
        tables_of(name="r", note="", orders=orders, products=pl.DataFrame({"product_id": ["p1"]}))
    text = f"customer_id,product_id,ordered_at\nc,p1,{at}\n"
    with pytest.raises(InvalidTableError, match="Unix seconds in 1 row"):
        load_tables(folder(tmp_path, orders=text, products=PRODUCTS))


@pytest.mark.parametrize(
    ("column", "value"), [("customer_id", [1]), ("customer_id", b"\xff"), ("quantity", [1])]
)
def test_a_column_of_lists_or_bytes_is_refused(column, value):
    line = {"customer_id": "c", "product_id": "p1", "ordered_at": "2024-01-03", column: value}
    orders = pl.DataFrame({name: [each] for name, each in line.items()})
    with pytest.raises(InvalidTableError, match=f"orders: {column} has type"):
        tables_of(name="r", note="", orders=orders, products=pl.DataFrame({"product_id": ["p1"]}))


def test_a_title_that_is_a_list_is_refused():
    orders = pl.DataFrame({"customer_id": ["c"], "product_id": ["p1"], "ordered_at": ["2024-01-03"]})
    products = pl.DataFrame({"product_id": ["p1"], "title": [["Tea"]]})
    with pytest.raises(InvalidTableError, match="products: title has type"):
        tables_of(name="r", note="", orders=orders, products=products)


def test_brackets_in_a_folders_name_are_no_pattern(tmp_path):
    place = tmp_path / "sales [2024]*"
    place.mkdir()
    assert len(load_tables(folder(place, orders=ORDERS, products=PRODUCTS)).orders) == 2
    for name in ("orders", "products"):
        pl.read_csv(place / f"{name}.csv", glob=False).write_parquet(place / f"{name}.parquet")
        (place / f"{name}.csv").unlink()
    assert len(load_tables(place).orders) == 2


def test_returns_are_left_out(tmp_path):
    orders = ORDERS + "a,c1,p1,2024-01-09,-1\n"
    assert len(load_tables(folder(tmp_path, orders=orders, products=PRODUCTS)).orders) == 2


def test_customers_link_a_person_over_shops(tmp_path):
    people = "customer_id,person_id\nc1,anna\nc2,anna\n"
    tables = load_tables(folder(tmp_path, orders=ORDERS, products=PRODUCTS, customers=people))
    assert tables.orders["person_id"].unique().to_list() == ["anna"]


def test_ordered_products_nobody_described_have_empty_attributes(tmp_path):
    orders = ORDERS + "a,c1,p9,2024-01-09,1\n"
    products = load_tables(folder(tmp_path, orders=orders, products=PRODUCTS)).products
    assert products.filter(pl.col("product_id") == "p9")["title"].to_list() == [""]


@pytest.mark.parametrize(
    ("orders", "products", "says"),
    [
        ("customer_id,ordered_at\nc,2024-01-01\n", PRODUCTS, "product_id"),
        (ORDERS + "a,c1,p1,yesterday,1\n", PRODUCTS, "data row 3"),
        (ORDERS + "a,,p1,2024-01-09,1\n", PRODUCTS, "customer_id is empty"),
        (ORDERS + "a,c1,p1,2024-01-09,many\n", PRODUCTS, "quantity is not a number"),
        (ORDERS, PRODUCTS + "p1,Tea again,1\n", "more than once"),
        (ORDERS, "product_id,price\np1,-2\n", "below zero"),
        (HEAD + "a,c,p,2024-01-01,0\n", PRODUCTS, "no line"),
    ],
)
def test_impossible_tables_are_refused_with_the_place(tmp_path, orders, products, says):
    with pytest.raises(InvalidTableError, match=says) as refusal:
        load_tables(folder(tmp_path, orders=orders, products=products))
    assert refusal.value.next_step


def test_missing_and_doubled_files_are_refused(tmp_path):
    with pytest.raises(InvalidTableError, match="not a folder"):
        load_tables(tmp_path / "nowhere")
    with pytest.raises(InvalidTableError, match=r"no orders\.csv"):
        load_tables(tmp_path)
    folder(tmp_path, orders=ORDERS, products=PRODUCTS)
    (tmp_path / "orders.parquet").write_bytes(b"")
    with pytest.raises(InvalidTableError, match="both"):
        load_tables(tmp_path)


def test_file_that_is_no_table_is_refused(tmp_path):
    folder(tmp_path, products=PRODUCTS)
    (tmp_path / "orders.parquet").write_bytes(b"not parquet")
    with pytest.raises(InvalidTableError, match="cannot be read"):
        load_tables(tmp_path)
