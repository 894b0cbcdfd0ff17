"""There is one way to customers' data: through the consent desk. Read from every source file there is.

Every statement of SQL is looked at, wherever it stands. One that names a table with customers' data is in a
module of the lists below, each with its reason. Of those that hand such data on to whoever has the desk's
word, every function that does so takes the word and looks at it. Of the others it is written down who takes
what from them, and nobody takes one as a whole. No statement is put together in a way that could hide a
table's name, the desk alone makes its word, and databases are opened in few places. That each of these checks
finds what it looks for is shown in `test_ways_in`.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ways_in import (
    WHOLE,
    Finding,
    functions_naming,
    functions_without,
    hidden_statements,
    loading_by_name,
    minting,
    opening,
    personal_statements,
    taken,
    texts,
)

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "audit",
    "client",
    "models",
    "privacy",
    "protos",
    "server",
    "simulations",
    "src/highstreet",
    "scripts",
)
#: Modules that hand customers' data on, to whoever has the desk's word: the capability, and what looks at it.
WITH_A_CAPABILITY = {
    "client/shop_loader.py": ("ConsentedCohort", "still_granted"),
    "client/customer_attributes.py": ("ConsentedCohort", "still_granted"),
    "client/matching_inputs.py": ("ConsentedCohort", "granted_by"),
    "client/shop_totals.py": ("ShopTotals", "left_out_of_totals"),
}
#: Modules that many import and that name such tables in these functions alone: what those are for.
FOR_ALL = {
    "client/vault.py": {
        "customer_key": "finds the row key of a customer's number, and tells nothing else of them",
        "_known_erasures": "whether an erasure was undone by an older copy",
    },
    "client/consent.py": {
        "exclude": "the desk's own record of who is set apart",
        "include": "the same",
        "exclusions": "the same",
        "counts": "how many customers there are, beside those who answered",
    },
    "client/consented_cohort.py": {"_excluded": "whom the desk's word leaves out"},
}
#: Other modules that name such tables without the desk's word: what they are for, and who takes what.
WITHOUT = {
    "client/consent_log.py": (
        "the consent log itself",
        {
            "client/consent.py": "ConsentLog, LoggedEvent: the desk",
            "client/consented_cohort.py": "ConsentLog: what the desk's word is judged by",
            "client/pseudonyms.py": "ConsentLog: that a new name does not show in the root is counted there",
            "client/attestation_papers.py": "ConsentLog: a customer's leaf and its path, for their proof",
            "client/erased_rows.py": "ConsentLog: empties the entries of who is erased",
            "client/erasure.py": "ConsentLog: the same",
            "client/importing/importer.py": "ConsentLog: adds the answers of a file",
            "client/importing/saving.py": "ConsentLog: the same",
            "client/cli_consent.py": "LoggedEvent: shows the owner what the desk told",
        },
    ),
    "client/consent_intake.py": (
        "what is in the consent log already",
        {
            "client/consent.py": "event_number, fresh_events: the desk takes answers",
            "client/consent_ends.py": "event_number: numbers an event",
            "client/consent_log.py": "check_showable: looks at one event",
            "client/importing/saving.py": "event_number, fresh_events: answers of a file",
            "client/signal_customers.py": "event_number: numbers an event",
        },
    ),
    "client/signal_customers.py": (
        "finds whose a consent signal is, for the desk",
        {"client/cli_consent_papers.py": "signals_of_customers: hands them to the desk"},
    ),
    "client/pseudonyms.py": (
        "what the ledger knows customers by",
        {
            "client/till.py": "ledger_names: charges the customers of a cohort",
            "client/matching_books.py": "ledger_names: attests to who was matched, by a cohort",
            "client/exposure.py": "known_names: what one customer was exposed to, for their own copy",
            "client/attestation_papers.py": "known_names: one customer's own proof",
        },
    ),
    "client/rights_requests.py": (
        "what customers asked for",
        {
            "client/erasure.py": "RequestKind, UnfinishedErasure, finish_erasure, folders_of, note_request, "
            "still_to_do, unfinished_erasures: erasures asked for",
            "client/personal_model.py": "last_change: a number by which a model is out of date",
            "client/personal_record.py": "Request, requests_of: what they asked for, for their own copy",
            "client/rectification.py": "RequestKind, note_request: writes one down",
            "client/rights_desk.py": "RequestKind, note_request: writes one down",
            "client/rights_files.py": "folders_before: which copies are old enough to be deleted",
            "client/shopify_privacy.py": "RequestKind, note_request: writes one down",
        },
    ),
    "client/personal_record.py": (
        "a customer's own copy of what is held of them",
        {
            "client/rights_desk.py": "PersonalRecord, gather_record: makes it at their wish",
            "client/record_page.py": "PersonalRecord: prints it",
        },
    ),
    "client/rectification.py": (
        "corrects what is held of a customer",
        {"client/cli_rights.py": "Correction, correct: at their wish"},
    ),
    "client/erased_rows.py": (
        "erases a customer",
        {"client/erasure.py": "erase_rows, known_by, not_known_otherwise: what to erase"},
    ),
    "client/erasure.py": (
        "erases a customer",
        {
            "client/cli_rights.py": "Erasure, erase_again, erase_customers, finish_erasures: at their wish",
            "client/shopify_privacy.py": "erase_customers, erase_everybody, finish_erasures: if called",
        },
    ),
    "client/shopify_privacy.py": (
        "finds whom Shopify's privacy calls are about, for their rights",
        {"client/cli_rights.py": "BODY_LIMIT_BYTES, answer_privacy_call, keep_secret: takes the calls"},
    ),
    "client/importing/saving.py": (
        "writes what was imported",
        {
            "client/importing/importer.py": "SavedCounts, save_staged: imports",
            "client/importing/understanding.py": "orders_with_other_lines: counts orders of the file",
            "client/cli_import.py": "SavedCounts: counts",
        },
    ),
    "client/importing/holdout.py": (
        "compares a file with what was imported; its rows are the file's",
        {"client/shop_evaluation.py": "Holdout, read_holdout: judges by those in a cohort"},
    ),
    "client/importing/staging.py": (
        "the rows of one file, not saved yet, in a database of their own",
        {
            "client/erasure.py": "discard_leftovers: deletes them",
            "client/importing/erased.py": "Staging: leaves out who was erased",
            "client/importing/holdout.py": "Staging: the file to judge by",
            "client/importing/importer.py": "Staging, discard_leftovers, open_staging: imports",
            "client/importing/saving.py": "Staging: imports",
            "client/importing/understanding.py": "Staging: counts what is in the file",
        },
    ),
    "client/matching_file.py": (
        "another database: the secrets of a matching, whose table has the same name",
        {"client/matching_state.py": "open_matching_file: the books of matchings"},
    ),
    "client/matching_list_rows.py": (
        "another database: a matching's secrets, whose table has the same name",
        {
            "client/matching_state.py": "erase_from_lists, insert_store, insert_tags, kept_matched, "
            "kept_store, list_position, remove_list, remove_tags: the books of matchings"
        },
    ),
}
READ_HERE = {*WITHOUT, *WITH_A_CAPABILITY, *FOR_ALL}
#: Another database, of whose tables none is in the vault; some of its statements fill in a table's name.
LEDGER = {"client/ledger_rows.py", "client/ledger_file.py"}
#: The coordinator's database. Nothing of `client` is imported there (`test_layers`), and no vault is.
COORDINATOR = {"server/database.py", "server/log_feed.py", "server/matched_table.py", "server/membership.py"}
#: The demo reads the ledgers of its shops and the coordinator's database, to show what they hold.
EVIDENCE = {
    "simulations/demo/evidence.py",
    "simulations/demo/round_sums.py",
    "simulations/demo/sum_trials.py",
}
#: The modules that open databases, and which.
OPENS_DATABASES = {
    "client/private_database.py": "a shop's",
    "server/database.py": "the coordinator's",
    "server/supervisor.py": "that of Flower",
    **dict.fromkeys(EVIDENCE, "see there"),
}
#: Modules that take others by a text, or run one, and which.
LOADS_BY_NAME = {
    "src/highstreet/cli.py": "the commands, by a table of theirs",
    "simulations/replay.py": "a room, to hash the sources of a result",
    "scripts/mutation_trial.py": "a module with a small wrong change in it, for tests alone",
    "scripts/wheel_contents.py": "every module of a built wheel, to see that it can be imported",
}
#: Words that are the same as those of a connection, and mean something else.
NO_CONNECTION = {"scripts/mutations.py": "the names of calls that are not changed for a trial"}


def sources() -> dict[str, str]:
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths)}


SOURCES = sources()


def _module(name: str) -> str:
    """The dotted name of a file's module."""
    dotted = name.removesuffix(".py").removeprefix("src/highstreet/").replace("/", ".")
    return dotted if name.startswith("scripts/") else f"highstreet.{dotted}"


MODULES = {_module(name): name for name in READ_HERE}


class Seen(NamedTuple):
    """All that is looked for in one source."""

    personal: list[Finding]
    hidden: list[Finding]
    minting: list[Finding]
    opening: list[Finding]
    loading: list[Finding]
    taken: dict[str, set[str]]


@pytest.fixture(scope="module")
def seen() -> dict[str, Seen]:
    return {
        name: Seen(
            personal=personal_statements(source),
            hidden=hidden_statements(source),
            minting=minting(source),
            opening=opening(source),
            loading=loading_by_name(source),
            taken=taken(source, _module(name).rpartition(".")[0], MODULES),
        )
        for name, source in SOURCES.items()
    }


def test_every_room_is_looked_through() -> None:
    assert {name.split("/")[0] for name in SOURCES} == {room.split("/")[0] for room in ROOMS}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert rooms <= set(ROOMS)


def test_no_module_but_those_of_the_list_names_a_table_with_customers_data(seen: dict[str, Seen]) -> None:
    found = {name: each.personal for name, each in seen.items()}
    assert {name: lines for name, lines in found.items() if lines and name not in READ_HERE} == {}
    # Nor is there a module on the list that does not need to be.
    assert {name for name, lines in found.items() if lines} == READ_HERE


def test_no_statement_hides_which_tables_it_names(seen: dict[str, Seen]) -> None:
    allowed = {*READ_HERE, *LEDGER, *COORDINATOR, *EVIDENCE, *NO_CONNECTION, "client/private_database.py"}
    found = {name: each.hidden for name, each in seen.items()}
    assert {name: lines for name, lines in found.items() if lines and name not in allowed} == {}


def _other_databases() -> set[str]:
    return {name for name, (why, _) in WITHOUT.items() if why.startswith("another database")} | LEDGER


@pytest.mark.parametrize("name", sorted(_other_databases()))
def test_modules_of_other_databases_never_see_the_vault(name: str) -> None:
    imported = {
        each.module
        for each in ast.walk(ast.parse(SOURCES[name]))
        if isinstance(each, ast.ImportFrom) and each.module
    }
    assert not {module for module in imported if module.endswith((".vault", ".importing", ".consent"))}


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_what_looks_for_evidence_never_names_the_vault(name: str) -> None:
    named = {each.attr for each in ast.walk(ast.parse(SOURCES[name])) if isinstance(each, ast.Attribute)}
    assert "vault" not in named
    assert not [text for _, text in texts(ast.parse(SOURCES[name])) if "vault" in text]


@pytest.mark.parametrize("name", WITH_A_CAPABILITY)
def test_whatever_hands_customers_data_on_takes_the_desks_word_and_looks_at_it(name: str) -> None:
    assert functions_naming(SOURCES[name])
    assert functions_without(SOURCES[name], *WITH_A_CAPABILITY[name]) == []


@pytest.mark.parametrize("name", FOR_ALL)
def test_what_many_import_names_such_a_table_in_few_functions(name: str) -> None:
    assert functions_naming(SOURCES[name]) == FOR_ALL[name].keys()


@pytest.mark.parametrize("name", WITHOUT)
def test_who_takes_what_from_a_module_without_the_desks_word_is_written_down(
    seen: dict[str, Seen], name: str
) -> None:
    found = {taker: each.taken.get(name, set()) for taker, each in seen.items()}
    written = {taker: set(why.partition(":")[0].split(", ")) for taker, why in WITHOUT[name][1].items()}
    assert all(why.partition(": ")[2] for why in WITHOUT[name][1].values())
    assert {taker: names for taker, names in found.items() if names} == written


def test_nobody_takes_such_a_module_as_a_whole_or_what_it_keeps_to_itself(seen: dict[str, Seen]) -> None:
    for taker, each in seen.items():
        for name, names in each.taken.items():
            assert not [what for what in names if what == WHOLE or what.startswith("_")], (taker, name)


def test_only_the_desk_gives_its_word(seen: dict[str, Seen]) -> None:
    assert {name for name, each in seen.items() if each.minting} == {
        "client/consent.py",
        "client/consented_cohort.py",
    }
    assert {each.what for each in seen["client/consent.py"].minting} == {"mint_cohort", "mint_totals"}


def test_databases_are_opened_in_few_places(seen: dict[str, Seen]) -> None:
    assert {name for name, each in seen.items() if each.opening} == OPENS_DATABASES.keys()


def test_modules_are_taken_by_a_text_in_few_places(seen: dict[str, Seen]) -> None:
    assert {name for name, each in seen.items() if each.loading} == LOADS_BY_NAME.keys()


def test_a_planted_change_of_the_loader_is_found() -> None:
    name = "client/shop_loader.py"
    source = SOURCES[name]
    without = source.replace(
        "still_granted(cohort, vault, connection, purpose, channel=channel)", "everybody(connection)"
    )
    assert functions_without(without, *WITH_A_CAPABILITY[name]) == ["load_consented"]
    without = source.replace("cohort: ConsentedCohort", "cohort: tuple[int, ...]")
    assert functions_without(without, *WITH_A_CAPABILITY[name]) == ["load_consented"]
