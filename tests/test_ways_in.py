"""Ways to customers' data are found in planted sources: each check of `test_only_way_in` can fail."""

from __future__ import annotations

import pytest

from tests.ways_in import (
    MODULE,
    WHOLE,
    functions_without,
    hidden_statements,
    loading_by_name,
    minting,
    opening,
    personal_statements,
    taken,
)

#: Two modules of `client`, by their dotted names.
MODULES = {f"highstreet.client.{name}": f"client/{name}.py" for name in ("consented_cohort", "pseudonyms")}
PLANTED = [
    'def f(c):\n    c.execute("SELECT * FROM orders")',
    "def f(c):\n    c.execute('select customer from main.customers')",
    'def f(c):\n    c.execute("SELECT p.title FROM products AS p, lines")',
    "Q = 'SELECT 1 FROM products JOIN \"orders\" USING (product)'",
    "def f(c, x):\n    c.execute(f'SELECT {x} FROM identifiers WHERE kind = ?')",
    "def f(c, x):\n    c.execute('SELECT ' + x + ' FROM consents')",
    'def f(c):\n    c.executescript("""\n    DELETE FROM exclusions\n    """)',
    "def f(c):\n    c.execute('UPDATE customers SET customer_id = 1')",
    "def f(c):\n    c.execute('INSERT INTO consents DEFAULT VALUES')",
    "class C:\n    Q = 'SELECT cell FROM customer_attributes'",
    "async def f(c):\n    c.execute('SELECT * FROM lines')",
    "f = lambda c: c.execute('SELECT * FROM pseudonyms')",
]
HIDDEN = [
    "def f(c, table):\n    c.execute(f'SELECT * FROM {table}')",
    "def f(c, table):\n    c.execute('SELECT * FROM ' + table)",
    "def f(c, table):\n    c.execute('SELECT * FROM %s' % table)",
    "def f(c, table):\n    c.execute('SELECT * FROM {}'.format(table))",
    "def f(c, words):\n    c.execute(' '.join(words))",
    "def f(c, statement):\n    c.execute(statement)",
    "def f(c):\n    c.execute(MADE())",
    "from highstreet.client.shop_loader import _PURCHASES\ndef f(c):\n    c.execute(_PURCHASES)",
    "def f(c, statement):\n    run = c.execute\n    run(statement)",
    "def f(c, statement):\n    getattr(c, 'execute')(statement)",
    "def f(c, statements):\n    return map(c.execute, statements)",
    "def f(staging, query):\n    return staging.pairs(query)",
    "def f(c):\n    return list(c.iterdump())",
    "def f(c):\n    return getattr(c, 'blobopen')",
]
#: Places in a module of which every function has to take the desk's word, and by which name they are found.
WORDLESS = {
    "def f(c):\n    c.execute(_Q)": "f",
    "class C:\n    def f(self, c):\n        c.execute(_Q)": "f",
    "class C:\n    Q = 'SELECT * FROM orders'\n    def f(self, c):\n        c.execute(self.Q)": MODULE,
    "async def f(c):\n    c.execute(_Q)": "f",
    "f = lambda c: c.execute(_Q)": "<lambda>",
    "def f(c):\n    def g():\n        c.execute(_Q)\n    return g": "g",
    "def f(c):\n    return lambda: c.execute('SELECT * FROM orders')": "<lambda>",
    "def f(w: Word):\n    look(w)\n    def g(c):\n        c.execute(_Q)\n    return g": "g",
    "Q: str = 'SELECT * FROM orders'": MODULE,
    "Q = [_Q]": MODULE,
    "def f(w: Word, c):\n    c.execute(_Q)": "f",  # takes it and does not look
    "def f(w: Word, c):\n    look\n    c.execute(_Q)": "f",
    "def f(w: Word, c):\n    look(w2)\n    c.execute(_Q)": "f",  # at another
    "def f(w: tuple, c):\n    look(w)\n    c.execute(_Q)": "f",
    "def f(w: Word, c):\n    c.execute(_Q)\n    look(w)": "f",  # too late
    "def f(w: Word, c):\n    g = lambda: look(w)\n    c.execute(_Q)": "f",  # never called
}
MINTS = [
    "from highstreet.client.consented_cohort import mint_cohort",
    "from highstreet.client.consented_cohort import mint_totals as t",
    "from .consented_cohort import _MINTED",
    "def f(module):\n    return module.mint_cohort",
    "def f(module):\n    module._MINTED[1] = 2",
    "def f(module):\n    return getattr(module, 'mint_cohort')",
    "def f(module):\n    return vars(module)['_Minted']",
    "class Mine(_Capability):\n    pass",
    "make = mint_totals",
]
OPENINGS = [
    "import sqlite3\nsqlite3.connect('vault.db')",
    "import sqlite3 as s\ns.connect('vault.db')",
    "from sqlite3 import connect",
    "from sqlite3 import connect as c",
    "from sqlite3 import *",
    "import sqlite3\nsqlite3.Connection('vault.db')",
    "import sqlite3\nclass Mine(sqlite3.Connection):\n    pass",
    "from sqlite3 import Connection",
    "import sqlite3.dbapi2",
    "from sqlite3.dbapi2 import connect",
    "import sqlite3\nsqlite3.dbapi2.connect('vault.db')",
    "import sqlite3\ngetattr(sqlite3, 'connect')('vault.db')",
    "import sqlite3\nopen_it = sqlite3.connect",
    "import sqlite3\nother = sqlite3",
    "import _sqlite3",
    "import apsw",
    "from sqlalchemy import create_engine",
]
LOADING = [
    "import importlib\nimportlib.import_module('a')",
    "from importlib import import_module as load",
    "def f():\n    return __import__('a')",
    "import sys\nsys.modules['a']",
    "def f(text):\n    exec(text)",
    "def f(text):\n    return eval(text)",
    "import runpy\nrunpy.run_module('a')",
    "def f(module):\n    return getattr(module, 'import_module')",
]
#: What is taken from the word's module as a whole, in files of `client`.
WHOLES = [
    "from highstreet.client import consented_cohort\nconsented_cohort.still_granted",
    "from highstreet.client import consented_cohort as c",
    "import highstreet.client.consented_cohort",
    "import highstreet.client.consented_cohort as c",
    "from highstreet.client.consented_cohort import *",
    "from highstreet import client",
    "import highstreet.client as c",
    "from highstreet.client import *",
    "from . import consented_cohort",
    "from .consented_cohort import *",
    "import highstreet\nhighstreet.client.consented_cohort.still_granted",
    "NAME = 'highstreet.client.consented_cohort'",
    "NAME = 'highstreet.client.consented_cohort:still_granted'",
]


@pytest.mark.parametrize("source", PLANTED)
def test_a_planted_statement_is_found(source: str) -> None:
    assert personal_statements(source)


@pytest.mark.parametrize("source", HIDDEN)
def test_a_planted_statement_that_hides_its_table_is_found(source: str) -> None:
    assert hidden_statements(source)


@pytest.mark.parametrize("source", WORDLESS)
def test_a_planted_function_of_any_kind_without_the_desks_word_is_found(source: str) -> None:
    constant = "_Q = 'SELECT * FROM orders'\n"
    with_it = "def fine(w: Word, c):\n    look(w)\n    c.execute(_Q)\n"
    assert functions_without(constant + with_it, "Word", "look") == []
    assert functions_without(constant + with_it + source, "Word", "look") == [WORDLESS[source]]


@pytest.mark.parametrize("source", MINTS)
def test_a_planted_maker_of_the_desks_word_is_found(source: str) -> None:
    assert minting(source)


@pytest.mark.parametrize("source", OPENINGS)
def test_a_planted_opening_of_a_database_is_found(source: str) -> None:
    assert opening(source)


@pytest.mark.parametrize("source", LOADING)
def test_a_planted_loading_by_name_is_found(source: str) -> None:
    assert loading_by_name(source)


@pytest.mark.parametrize("source", WHOLES)
def test_a_planted_module_as_a_whole_is_found(source: str) -> None:
    assert WHOLE in taken(source, "highstreet.client", MODULES)["client/consented_cohort.py"]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("highstreet.client", "from highstreet.client.pseudonyms import known_names"),
        ("highstreet.client", "from .pseudonyms import known_names as names"),
        ("highstreet.client.importing", "from ..pseudonyms import known_names"),
        ("highstreet.simulations", "def f():\n    from highstreet.client.pseudonyms import known_names"),
        ("highstreet", "from .client.pseudonyms import known_names"),
    ],
)
def test_a_planted_taker_is_found(package: str, source: str) -> None:
    assert taken(source, package, MODULES) == {"client/pseudonyms.py": {"known_names"}}


def test_what_is_no_statement_is_left_alone() -> None:
    for source in (
        '"""Reads from customers."""',
        'x = "Only customers who said yes are used; their records stay here."',
        'x = "SELECT count(*) FROM staging.order_lines"',
        'x = "SELECT product FROM products"',
    ):
        assert personal_statements(source) == []


def test_what_opens_loads_and_makes_nothing_is_left_alone() -> None:
    source = (
        "import sqlite3\nfrom importlib import resources\n"
        "def f(c: sqlite3.Connection) -> None:\n    raise sqlite3.Error\n"
        "def g(model, home):\n    model.eval()\n    return home.modules\n"
    )
    assert opening(source) == loading_by_name(source) == minting(source) == hidden_statements(source) == []
    fine = "from highstreet.client.ledger import Ledger\nimport highstreet.client.ledger\nimport highstreet"
    assert taken(fine, "highstreet.client", MODULES) == {}
