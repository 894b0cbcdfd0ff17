"""Order numbers come again: which lines are kept of a customer depends on that customer's own rows only."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.errors import TooManyProblemsError
from highstreet.client.importing.holdout import read_holdout
from highstreet.client.importing.importer import FileOutcome, Importer, ImportResult
from highstreet.client.vault import Vault, vault_kind
from tests.client.conftest import NOW, PRODUCTS, contents

Load = Callable[..., list[ImportResult]]
HEADER = "order_id,ordered_at,customer_id,product_id,quantity\n"
ANN = "7,2026-05-01T09:00:00,ann,tea,1\n"
BEN = "7,2026-05-02T09:00:00,ben,tea,1\n7,2026-05-02T09:00:00,ben,rye,2\n"


def _bought(vault: Vault) -> dict[str | None, list[tuple[object, ...]]]:
    """Each customer's order lines, free of row keys."""
    with vault.read() as connection:
        rows = connection.execute(
            "SELECT customer_id, order_id, ordered_at, product_id, quantity FROM orders"
            ' JOIN lines USING ("order") JOIN products USING (product) LEFT JOIN customers USING (customer)'
        ).fetchall()
    return {who: sorted(row[1:] for row in rows if row[0] == who) for who, *_ in rows}


def _imported(*files: list[str]) -> dict[str | None, list[tuple[object, ...]]]:
    """What each customer bought after importing files of these rows, one after another."""
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder) / "s" / "vault.db") as vault:
        for number, rows in enumerate(files):
            path = Path(folder) / f"{number}.csv"
            path.write_text(HEADER + "".join(rows))
            list(Importer(vault, now=NOW).run([path]))
        return _bought(vault)


rows = st.builds(
    lambda number, minute, who, product: f"{number},2026-05-01T09:0{minute}:00,{who},{product},1\n",
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from(["ann", "ben", "cat"]),
    st.sampled_from(["tea", "rye", "jam"]),
)


@settings(max_examples=40, deadline=None)
@given(first=st.lists(rows, min_size=1, max_size=10), second=st.lists(rows, min_size=1, max_size=10))
def test_no_customers_lines_depend_on_who_else_is_there(first: list[str], second: list[str]) -> None:
    everybody = _imported(first, second)
    for who in everybody:
        alone = [[row for row in part if f",{who}," in row] for part in (first, second)]
        assert _imported(*filter(None, alone)) == {who: everybody[who]}


@settings(max_examples=20, deadline=None)
@given(drawn=st.lists(rows, min_size=2, max_size=12), data=st.data())
def test_the_order_of_rows_and_files_does_not_matter(drawn: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(drawn))
    cut = data.draw(st.integers(1, len(drawn) - 1))
    assert _imported(shuffled[:cut], shuffled[cut:]) == _imported(drawn)


def test_two_customers_of_one_order_number_keep_their_lines(load: Load, tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "o.csv").write_text(HEADER + ANN + BEN)
    (result,) = load(tmp_path / "o.csv")
    assert result.understanding is not None
    assert result.understanding.left_out == ()
    assert "2 orders (3 lines), 2 customers" in " ".join(result.understanding.facts)
    assert {who: len(lines) for who, lines in _bought(vault).items()} == {"ann": 1, "ben": 2}


def test_a_guests_order_number_takes_nothing_from_a_customer(
    load: Load, tmp_path: Path, vault: Vault
) -> None:
    (tmp_path / "1.csv").write_text(HEADER + "7,2026-05-03T09:00:00,,tea,1\n")
    (tmp_path / "2.csv").write_text(HEADER + ANN)
    load(tmp_path / "1.csv")
    load(tmp_path / "2.csv")
    assert {who: len(lines) for who, lines in _bought(vault).items()} == {None: 1, "ann": 1}


def test_an_export_that_names_the_customer_on_first_lines_only_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(HEADER + ANN + ANN.replace("ann,tea", ",rye"))
    with pytest.raises(TooManyProblemsError, match="another line of that order has one"):
        load(tmp_path / "o.csv")


SHOPIFY = "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name\n"
ANNS = "#7,ann@example.com,paid,2026-05-01 09:00:00 +0200,1,tea\n"


@pytest.mark.parametrize(
    ("after", "bought"),
    [
        (
            "#7,ben@example.com,paid,2026-05-02 09:00:00 +0200,1,rye\n#7,,,,1,jam\n",
            {"ann@example.com": ["tea"], "ben@example.com": ["jam", "rye"]},
        ),
        (
            "#7,,paid,2026-05-02 09:00:00 +0200,1,rye\n#7,,,,1,jam\n",
            {"ann@example.com": ["tea"], None: ["jam", "rye"]},
        ),
        (
            f"#8,b{'e' * 130}n@example.com,paid,2026-05-02 09:00:00 +0200,1,rye\n#8,,,,1,jam\n",
            {"ann@example.com": ["tea"]},
        ),
        ("#7,ANN@example.com,,,1,jam\n", {"ann@example.com": ["jam", "tea"]}),
    ],
    ids=["another customer", "a guest", "a refused customer", "the customer repeated"],
)
def test_the_rows_of_a_shopify_order_never_go_to_the_customer_above(
    load: Load, tmp_path: Path, vault: Vault, after: str, bought: dict[str | None, list[str]]
) -> None:
    many = "".join(ANNS.replace("#7", f"#1{n}") for n in range(10))
    (tmp_path / "o.csv").write_text(SHOPIFY + many + ANNS + after)
    load(tmp_path / "o.csv")
    held = {
        who: sorted(str(line[2]) for line in lines if not str(line[0]).startswith("#1"))
        for who, lines in _bought(vault).items()
    }
    assert held == bought


def test_a_held_back_order_with_the_number_of_another_customer_can_be_predicted(
    load: Load, tmp_path: Path, vault: Vault
) -> None:
    (tmp_path / "p.csv").write_text(PRODUCTS)
    (tmp_path / "o.csv").write_text(HEADER + ANN + BEN.replace("7,", "8,", 1))
    (tmp_path / "later.csv").write_text(HEADER + "8,2026-06-01T09:00:00,ann,rye,1\n")
    load(tmp_path / "p.csv", tmp_path / "o.csv")
    assert read_holdout(vault, tmp_path / "later.csv", now=NOW).bought == (
        (vault.customer_key("ann"), "rye"),
    )


def _older_vault(path: Path) -> None:
    """A vault of schema 1: ann's order 7 is saved, and ben's lines of that number were left out."""
    script = resources.files("highstreet.client.migrations").joinpath("0001_canonical_tables.sql").read_text()
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.executescript(
        """
        INSERT INTO identity VALUES ('older', 1);
        INSERT INTO products (product_id) VALUES ('tea');
        INSERT INTO customers (customer_id) VALUES ('ann'), ('ben');
        INSERT INTO orders VALUES (5, '7', 1, 1777626000), (6, '8', NULL, 1777626000);
        INSERT INTO lines VALUES (1, 5, 1, 1.0, NULL, 0), (2, 6, 1, 1.0, NULL, 0);
        PRAGMA user_version = 1;
        PRAGMA application_id = 1213421140;
        """
    )
    connection.close()


def test_an_older_vault_keeps_what_it_has_and_takes_the_file_once_more(tmp_path: Path) -> None:
    path, file = tmp_path / "store" / "vault.db", tmp_path / "o.csv"
    _older_vault(path)
    file.write_text(HEADER + ANN + BEN)
    with Vault.open(path) as vault:
        assert vault.connection.execute("PRAGMA user_version").fetchone() == (len(vault_kind().migrations),)
        assert vault.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert vault.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        moment = 1_777_626_000
        assert _bought(vault) == {"ann": [("7", moment, "tea", 1.0)], None: [("8", moment, "tea", 1.0)]}
        list(Importer(vault, now=NOW).run([file]))
        assert {who: len(lines) for who, lines in _bought(vault).items()} == {"ann": 1, "ben": 2, None: 1}


def test_files_of_which_older_versions_left_lines_out_are_read_again(tmp_path: Path) -> None:
    path, file = tmp_path / "store" / "vault.db", tmp_path / "o.csv"
    _older_vault(path)
    file.write_text(HEADER + ANN + BEN)
    with Vault.open(path) as vault:
        (done,) = Importer(vault, now=NOW).run([file])
        assert done.outcome is FileOutcome.SAVED
        # As schema 1 left it: saved, with two lines left out.
        vault.connection.execute("UPDATE imports SET rows_left_out = 2")
        step = resources.files("highstreet.client.migrations").joinpath("0002_orders_of_each_customer.sql")
        vault.connection.execute(step.read_text().rstrip().rsplit(";\n", 1)[1])
        (again,) = Importer(vault, now=NOW).run([file])
        assert again.outcome is FileOutcome.SAVED
        assert contents(vault)["imports"] == [("o.csv", "interrupted"), ("o.csv", "saved")]
