"""The store's commands as an owner types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet.cli import main
from highstreet.client.consent import ConsentDesk
from highstreet.client.home import HOME_VARIABLE, StoreHome
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.person_counts import PersonCounts
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_log import noted
from highstreet.client.vault import Vault
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.matching import Counts
from highstreet.privacy.releases import customer_release
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
)


class Typed:
    """What a command answered."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str | Path) -> None:
        self.status = main(["store", *map(str, words)])
        self.out, self.err = capsys.readouterr()


def test_what_is_not_read_in_a_folder_is_said(
    shop_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop_files / "._a_orders.csv").write_bytes(b"\x00\x05\x16\x07")
    (shop_files / "more").mkdir()
    for name in ("orders.xlsx", "b.zip", "c.json", "d.pdf", "e.jpg"):
        (shop_files / name).write_bytes(b"PK\x03\x04")
    typed = Typed(capsys, "import", shop_files, "--home", tmp_path / "store")
    assert typed.status == 0
    assert "Not read, as only CSV files are: b.zip, c.json, d.pdf, e.jpg, more and 1 more." in typed.out
    (shop_files / "more").rmdir()
    typed = Typed(capsys, "import", shop_files / "a_orders.csv", "--home", tmp_path / "store")
    assert "Not read" not in typed.out


def test_import_shows_what_it_understood_and_saves(
    capsys: pytest.CaptureFixture[str], shop_files: Path, tmp_path: Path
) -> None:
    home = tmp_path / "store"
    typed = Typed(capsys, "import", shop_files, "--home", home)
    assert typed.status == 0
    assert "4 orders (5 lines), 2 customers" in typed.out
    assert "Saved: 4 new orders, 5 new order lines." in typed.out
    again = Typed(capsys, "--home", home, "import", shop_files)
    assert again.out.count("imported before; nothing to do") == 3


def test_a_trial_import_saves_nothing(
    capsys: pytest.CaptureFixture[str], shop_files: Path, tmp_path: Path
) -> None:
    typed = Typed(capsys, "import", shop_files, "--dry-run", "--home", tmp_path / "store")
    assert typed.out.count("Nothing was saved") == 3
    assert "0 customers" in Typed(capsys, "status", "--home", tmp_path / "store").out


def test_a_mistyped_path_is_told_in_one_line_and_makes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    typed = Typed(capsys, "import", tmp_path / "nowhere.csv", "--home", tmp_path / "store")
    assert typed.status == 1
    assert typed.err.count("\n") == 1
    assert "not a file or folder" in typed.err
    assert not (tmp_path / "store").exists()


def test_the_folder_can_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], shop_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "elsewhere"))
    Typed(capsys, "import", shop_files)
    assert (tmp_path / "elsewhere" / "vault.db").is_file()


def test_consent_is_written_down_and_shown(
    capsys: pytest.CaptureFixture[str], shop_files: Path, tmp_path: Path
) -> None:
    home = ("--home", tmp_path / "store")
    Typed(capsys, "import", shop_files, *home)
    assert "Written down: no" in Typed(capsys, "consent", "record", "ann", "coop_learning", "no", *home).out
    shown = Typed(capsys, "consent", "show", "ann", *home).out
    assert "learning together with the co-op: withdrawn" in shown
    assert "offers by e-mail: not asked" in shown


@pytest.mark.parametrize("purpose", ["matching", "coop_learning"])
def test_a_no_takes_the_customers_count_off_the_disk(
    capsys: pytest.CaptureFixture[str], shop_files: Path, tmp_path: Path, purpose: str
) -> None:
    home = StoreHome(tmp_path / "store")
    Typed(capsys, "import", shop_files, "--home", home.root)
    with Vault.open(home.vault) as vault:
        ann, cat = (str(vault.customer_key(name)) for name in ("ann", "cat"))
        counts = PersonCounts(home.person_counts, vault_id=vault.vault_id)
        position = ConsentDesk(vault).position()
    home.coop.mkdir()
    counts.save(b"t" * 32, Counts({ann: 3, cat: 2}), {ann: b"ann", cat: b"cat"}, consent_position=position)

    def shops() -> Mapping[str, int] | None:
        kept = counts.latest()
        assert kept is not None
        return kept.shops

    Typed(capsys, "consent", "record", "ann", "email_marketing", "no", "--home", home.root)
    assert shops() == {ann: 3, cat: 2}
    Typed(capsys, "consent", "record", "ann", purpose, "no", "--home", home.root)
    assert shops() == {cat: 2}


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("record", "ann", "everything", "yes"), 1, "Purposes are: suggestions_here"),
        (("record", "ann", "matching", "yes", "--channel", "fax"), 1, "Channels are: everywhere"),
        (("record", "ann", "matching", "yes", "--notice", "7:en"), 1, "no notice 7 (en)"),
        (("record", "ann", "matching", "yes", "--notice", "7"), 2, "VERSION:LANGUAGE"),
        (("record", "ann", "matching", "no", "--valid-days", "7"), 2, "Only a yes"),
        (("show", "nobody@example.com"), 1, "no customer of that number"),
        (("record", "ann", "coop_learning"), 2, "SAID"),
        (("record", "ann", "coop_learning", "maybe"), 2, "maybe"),
        (("minor", "ann", "perhaps"), 2, "perhaps"),
        (("ask-again", "everything", "-y"), 1, "Purposes are"),
    ],
)
def test_consent_that_makes_no_sense_is_told(
    capsys: pytest.CaptureFixture[str],
    shop_files: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    status: int,
    told: str,
) -> None:
    Typed(capsys, "import", shop_files, "--home", tmp_path / "store")
    typed = Typed(capsys, "consent", *words, "--home", tmp_path / "store")
    assert typed.status == status
    assert told in typed.err
    assert "nobody@example.com" not in typed.err


@pytest.mark.parametrize(
    "words", [("suggest", "ann"), ("consent", "show", "ann"), ("evaluate", "--holdout", "x.csv")]
)
def test_commands_that_need_data_say_so_and_make_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    typed = Typed(capsys, *words, "--home", tmp_path / "store")
    assert typed.status == 1
    assert "highstreet store import" in typed.err
    assert not (tmp_path / "store").exists()


def test_suggest_shows_a_table_and_json(capsys: pytest.CaptureFixture[str], shop_home: StoreHome) -> None:
    table = Typed(capsys, "suggest", "c0", "-k", "4", "--home", shop_home.root)
    assert "How sure" in table.out
    assert "in no co-op" in table.out
    found = json.loads(Typed(capsys, "suggest", "c0", "-k", "4", "--json", "--home", shop_home.root).out)
    assert found["policy"] == "personalised"
    assert [set(item) for item in found["items"]] == [
        {"product_id", "title", "reason_code", "reason", "how_sure", "score"}
    ] * 4
    popular = Typed(capsys, "suggest", "c23", "--home", shop_home.root)
    assert "said no to personal suggestions" in popular.out
    at_the_till = ("suggest", "c0", "--channel", "till", "--json", "--home", shop_home.root)
    assert json.loads(Typed(capsys, *at_the_till).out)["policy"] == "personalised"
    nowhere = Typed(capsys, "suggest", "c0", "--channel", "tv", "--home", shop_home.root)
    assert "Channels are: everywhere, till, web" in nowhere.err


def test_evaluate_shows_a_table_and_writes_json(
    capsys: pytest.CaptureFixture[str], shop_home: StoreHome, shop_holdout: Path, tmp_path: Path
) -> None:
    target = tmp_path / "figures.json"
    words = ("evaluate", "--holdout", shop_holdout, "--home", shop_home.root, "--json")
    typed = Typed(capsys, *words, target)
    assert "this shop alone" in typed.out
    assert "No release of a co-op is in use" in typed.out
    written = json.loads(target.read_text())
    assert json.loads(Typed(capsys, *words, "-").out) == written


def test_status_budget_and_rounds_of_a_store_on_its_own(
    capsys: pytest.CaptureFixture[str], shop_home: StoreHome
) -> None:
    home = ("--home", shop_home.root)
    shown = Typed(capsys, "status", *home).out
    assert "24 customers, 32 products" in shown
    assert "learning together with the co-op: 22 yes, 2 no, 0 not asked." in shown
    assert "In no co-op" in shown
    assert "Next: join a co-op with the code" in shown
    found = json.loads(Typed(capsys, "status", "--json", *home).out)
    assert (found["customers"], found["active_release"], found["running"]) == (24, 0, False)
    assert "nothing of the budget" in Typed(capsys, "budget", *home).out
    assert json.loads(Typed(capsys, "budget", "--json", *home).out)["epsilon"] == 0
    assert "Nothing has left this shop." in Typed(capsys, "rounds", *home).out
    assert json.loads(Typed(capsys, "rounds", "--json", *home).out) == []


def test_status_of_an_empty_folder_says_to_import(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    typed = Typed(capsys, "status", "--home", tmp_path / "store")
    assert "Next: import the shop's exports: highstreet store import FOLDER" in typed.out
    assert not (tmp_path / "store").exists()


def test_rounds_lists_what_left_and_why_something_was_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = StoreHome(tmp_path / "store")
    for refusal in (None, REFUSAL_BUDGET):
        answer = RoundAnswer(
            body=b"1234",
            step=Step.CONTRIBUTION,
            programme_id="p",
            round=3,
            phase="ranker",
            refusal=refusal,
        )
        noted(lambda _, answer=answer: answer, home)(b"message")
    shown = Typed(capsys, "rounds", "--home", home.root).out
    assert "round p/4 (ranker): 4 bytes left: noised sums, split among the shops of the committee." in shown
    assert "round p/4 (ranker) refused: it does not fit this shop's budget for privacy: see" in shown
    assert "2 messages" in shown


def test_budget_says_what_was_spent_as_two_claims(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = StoreHome(tmp_path / "store").ensure()
    today = datetime.now(UTC).date()
    with closing(Ledger.open(home.ledger)) as ledger:
        ledger.open_round(
            RoundKey(programme_id="p", phase=0, request_sha256=bytes(32)),
            release=customer_release(noise_multiplier=4.0),
            cohort=("1", "2"),
            limits=SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365)),
            today=today,
        )
    shown = Typed(capsys, "budget", "--home", home.root).out
    assert "of the budget is spent, in 1 round; 2 customers took part." in shown
    assert "for a customer of one shop (added or removed)" in shown
    assert "limit of this shop: epsilon 3, delta 1e-05" in shown
    found = json.loads(Typed(capsys, "budget", "--json", "--home", home.root).out)
    assert 0 < found["epsilon"] < 3
    assert (found["rounds"], found["replies"], found["customers"]) == (1, 0, 2)


@pytest.mark.system
def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from highstreet.cli import main; main(['store', '--help']);"
        "heavy = {'torch', 'scipy', 'polars', 'opacus', 'numpy', 'grpc', 'flwr', 'dp_accounting'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
