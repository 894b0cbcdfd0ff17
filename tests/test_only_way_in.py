"""There is one way to customers' data: through the consent desk. Read from every source file of the shells.

Every statement of SQL is looked at, wherever it stands in `client` and `simulations`. One that names a table
with customers' data is in a module of the list below, each with its reason; of those that hand such data on,
every function that does so takes the desk's word and looks at it. No statement is put together in a way that
could hide a table's name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
#: Tables of the vault with rows about single customers.
PERSONAL = (
    "customers",
    "orders",
    "lines",
    "identifiers",
    "customer_attributes",
    "consents",
    "exclusions",
    "pseudonyms",
    "rights_requests",
)
#: Modules that hand customers' data on, to whoever has the desk's word: the capability, and what looks at it.
WITH_A_CAPABILITY = {
    "client/shop_loader.py": ("ConsentedCohort", "still_granted"),
    "client/customer_attributes.py": ("ConsentedCohort", "still_granted"),
    "client/matching_inputs.py": ("ConsentedCohort", "granted_by"),
    "client/shop_totals.py": ("ShopTotals", "left_out_of_totals"),
}
#: Modules that may name such tables without: what they are for.
WITHOUT = {
    "client/vault.py": "finds the row key of a customer's number",
    "client/consent_log.py": "the consent log itself",
    "client/consent.py": "the desk",
    "client/consent_intake.py": "what is in the consent log already",
    "client/consented_cohort.py": "the desk's word",
    "client/signal_customers.py": "finds whose a consent signal is, for the desk",
    "client/pseudonyms.py": "what the ledger knows customers by",
    "client/rights_requests.py": "what customers asked for",
    "client/personal_record.py": "a customer's own copy of what is held of them",
    "client/rectification.py": "corrects what is held of a customer",
    "client/erased_rows.py": "erases a customer",
    "client/erasure.py": "erases a customer",
    "client/shopify_privacy.py": "finds whom Shopify's privacy calls are about, for their rights",
    "client/importing/saving.py": "writes what was imported",
    "client/importing/holdout.py": "compares a file with what was imported; its rows are the file's",
    "client/importing/staging.py": "the rows of one file, not saved yet, in a database of their own",
    "client/matching_file.py": "another database: the secrets of a matching, whose table has the same name",
    "client/matching_list_rows.py": "another database: a matching's secrets, whose table has the same name",
}
#: The one module that opens a shop's databases.
OPENS_DATABASES = "client/private_database.py"
#: Another database, of whose tables none is in the vault; some of its statements fill in a table's name.
LEDGER = {"client/ledger_rows.py", "client/ledger_file.py"}
#: The demo reads the ledgers of its shops and the coordinator's database, to show what they hold.
EVIDENCE = {
    "simulations/demo/evidence.py",
    "simulations/demo/round_sums.py",
    "simulations/demo/sum_trials.py",
}
_RUNS_SQL = {"execute", "executemany", "executescript"}
_VERB = re.compile(r"(?i)\b(select|insert|replace|update|delete|join|create|alter|drop|attach|with)\b")
_TABLE = re.compile(rf"(?i)(?<!staging\.)(?<![\w'])\b({'|'.join(PERSONAL)})\b(?!')")
#: A gap where a table's name could stand.
_OPEN_TABLE = re.compile(r'(?i)\b(from|join|into|update|table)\s+"?(main\.)?"?\{\}')


@dataclass(frozen=True)
class Finding:
    """A statement that names a table with customers' data, or could."""

    line: int
    what: str


def sources() -> dict[str, str]:
    found = {}
    for room in ("client", "simulations"):
        for path in sorted((ROOT / room).rglob("*.py")):
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    return found


def _docstrings(tree: ast.AST) -> set[int]:
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text but docstrings; what is put together here in one piece, with {} for what is filled in."""
    skipped = _docstrings(tree)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        text = _as_text(node)
        if text is not None:
            yield node.lineno, text  # type: ignore[attr-defined]  # every expression has one


def _as_text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_as_text(part) or "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _as_text(node.left), _as_text(node.right)
        return None if left is None and right is None else f"{left or '{}'}{right or '{}'}"
    return None


def _is_sql(text: str) -> bool:
    return _VERB.search(text) is not None


def personal_statements(source: str) -> list[Finding]:
    """Find texts of SQL that name a table with customers' data."""
    return [
        Finding(line, text)
        for line, text in _texts(ast.parse(source))
        if _is_sql(text) and _TABLE.search(text) and not _is_a_sentence(text)
    ]


def _is_a_sentence(text: str) -> bool:
    """Words for an owner, not for a database: no statement ends in a full stop or has such words."""
    return re.search(
        r"(?i)\b(select|insert|update|delete|join|from|create|alter|drop|attach)\b\s+\S", text
    ) is None or (
        re.search(r"(?i)\b(the|an?|of|this|their|your|who)\b", text) is not None
        and "SELECT" not in text.upper()
    )


def hidden_statements(source: str) -> list[Finding]:
    """Find statements that are run though nobody can read here which tables they name."""
    tree = ast.parse(source)
    constants = _constants(tree)
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in _RUNS_SQL or not node.args:
            continue
        argument = node.args[0]
        text = constants.get(argument.id) if isinstance(argument, ast.Name) else _as_text(argument)
        if text is None or _OPEN_TABLE.search(text):
            found.append(Finding(node.lineno, ast.unparse(argument)))
    return found


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts with a name of the module's own."""
    named = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            text = _as_text(node.value)
            if text is not None:
                named[node.targets[0].id] = text
    return named


def functions_without(source: str, capability: str, looked_at_by: str) -> list[str]:
    """Return the functions that name such a table, themselves or by a constant, and do not take the word."""
    tree = ast.parse(source)
    personal = {name for name, text in _constants(tree).items() if _is_sql(text) and _TABLE.search(text)}
    wrong = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        skipped = _docstrings(node)
        inline = any(
            _is_sql(text) and _TABLE.search(text)
            for each in ast.walk(node)
            if id(each) not in skipped and (text := _as_text(each)) is not None
        )
        if not (inline or names & personal):
            continue
        takes = {ast.unparse(a.annotation) for a in [*node.args.args, *node.args.kwonlyargs] if a.annotation}
        if capability not in takes or looked_at_by not in names:
            wrong.append(node.name)
    return wrong


def test_no_module_but_those_of_the_list_names_a_table_with_customers_data() -> None:
    allowed = {*WITHOUT, *WITH_A_CAPABILITY}
    found = {name: personal_statements(source) for name, source in sources().items()}
    assert {name: lines for name, lines in found.items() if lines and name not in allowed} == {}
    # Nor is there a module on the list that does not need to be.
    assert {name for name, lines in found.items() if lines} == allowed


def test_no_statement_hides_which_tables_it_names() -> None:
    allowed = {*WITHOUT, *WITH_A_CAPABILITY, *LEDGER, *EVIDENCE, OPENS_DATABASES}
    found = {name: hidden_statements(source) for name, source in sources().items()}
    assert {name: lines for name, lines in found.items() if lines and name not in allowed} == {}


def _other_databases() -> set[str]:
    return {name for name, why in WITHOUT.items() if why.startswith("another database")} | LEDGER


@pytest.mark.parametrize("name", sorted(_other_databases()))
def test_modules_of_other_databases_never_see_the_vault(name: str) -> None:
    imported = {
        each.module
        for each in ast.walk(ast.parse(sources()[name]))
        if isinstance(each, ast.ImportFrom) and each.module
    }
    assert not {module for module in imported if module.endswith((".vault", ".importing", ".consent"))}


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_what_looks_for_evidence_never_names_the_vault(name: str) -> None:
    named = {each.attr for each in ast.walk(ast.parse(sources()[name])) if isinstance(each, ast.Attribute)}
    assert "vault" not in named
    assert not [text for _, text in _texts(ast.parse(sources()[name])) if "vault" in text]


@pytest.mark.parametrize("name", WITH_A_CAPABILITY)
def test_whatever_hands_customers_data_on_takes_the_desks_word_and_looks_at_it(name: str) -> None:
    assert functions_without(sources()[name], *WITH_A_CAPABILITY[name]) == []


def test_only_the_desk_gives_its_word_and_databases_are_opened_in_one_place() -> None:
    minting, opening = set(), set()
    for name, source in sources().items():
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and {a.name for a in node.names} & {
                "mint_cohort", "mint_totals", "_MINTED", "_Minted", "_Capability"
            }:  # fmt: skip
                minting.add(name)
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "sqlite3.connect":
                opening.add(name)
    assert minting == {"client/consent.py"}
    assert opening == {OPENS_DATABASES, *EVIDENCE}


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
]
HIDDEN = [
    "def f(c, table):\n    c.execute(f'SELECT * FROM {table}')",
    "def f(c, table):\n    c.execute('SELECT * FROM ' + table)",
    "def f(c, table):\n    c.execute('SELECT * FROM %s' % table)",
    "def f(c, table):\n    c.execute('SELECT * FROM {}'.format(table))",
    "def f(c, words):\n    c.execute(' '.join(words))",
    "def f(c, statement):\n    c.execute(statement)",
    "def f(c):\n    c.execute(MADE())",
]


@pytest.mark.parametrize("source", PLANTED)
def test_a_planted_statement_is_found(source: str) -> None:
    assert personal_statements(source)


@pytest.mark.parametrize("source", HIDDEN)
def test_a_planted_statement_that_hides_its_table_is_found(source: str) -> None:
    assert hidden_statements(source)


def test_a_planted_function_without_the_desks_word_is_found() -> None:
    name = "client/shop_loader.py"
    source = sources()[name]
    without = source.replace("still_granted(cohort, vault, connection, purpose)", "everybody(connection)")
    assert functions_without(without, *WITH_A_CAPABILITY[name]) == ["load_consented"]
    without = source.replace("cohort: ConsentedCohort", "cohort: tuple[int, ...]")
    assert functions_without(without, *WITH_A_CAPABILITY[name]) == ["load_consented"]
    planted = source + "\n\ndef all_of_it(connection):\n    return connection.execute(_PURCHASES)\n"
    assert functions_without(planted, *WITH_A_CAPABILITY[name]) == ["all_of_it"]


def test_what_is_no_statement_is_left_alone() -> None:
    for source in (
        '"""Reads from customers."""',
        'x = "Only customers who said yes are used; their records stay here."',
        'x = "SELECT count(*) FROM staging.order_lines"',
        'x = "SELECT product FROM products"',
    ):
        assert personal_statements(source) == []
