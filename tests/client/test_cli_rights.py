"""`highstreet store rights`: says what was done, in files for the owner alone, and asks before it erases."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from highstreet.audit.erasure_certificate import read_certificate
from highstreet.audit.signing import SignedDocument
from highstreet.cli import main
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.vault import Vault
from tests.client.conftest import NOW

SECRET = "hush-of-the-app-4711"  # noqa: S105 - of a made-up app
#: Of each right on 100,000 order lines; of the specification.
LIMIT_SECONDS = 60.0

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path: Path, full_vault: Vault) -> StoreHome:
    return StoreHome(tmp_path / "store")


@pytest.fixture
def say(home: StoreHome, capsys: pytest.CaptureFixture[str]) -> Say:
    def command(*words: str) -> tuple[int, str]:
        code = main(["store", "rights", words[0], *words[1:], "--home", str(home.root)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return command


def test_access_names_the_folder_and_shows_nothing_of_the_customer(home: StoreHome, say: Say) -> None:
    code, out = say("access", "ann", "--json")
    folder = Path(json.loads(out)["folder"])
    assert code == 0
    assert json.loads((folder / "record.json").read_text())["customer_id"] == "ann"
    code, out = say("access", "ann")
    assert "record.html" in out
    assert "tea" not in out


def test_restrict_object_and_correct_say_what_they_did(home: StoreHome, say: Say) -> None:
    assert "used for nothing" in say("restrict", "ann")[1]
    assert "used again" in say("restrict", "ann", "--lift")[1]
    assert "co-op" in say("object", "ann", "coop_learning")[1]
    assert "identifiers (1)" in say("correct", "ann", "--email", "ann@example.org")[1]
    assert "orders removed (1)" in say("correct", "ann", "--not-theirs", "3")[1]
    code, out = say("correct", "ann")
    assert code == 1
    assert "nothing was changed" in out


def test_erase_asks_first(home: StoreHome, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert say("erase", "ann")[0] != 0
    assert say("restrict", "ann")[0] == 0  # still there
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, out = say("erase", "ann")
    assert code == 0
    assert "For the customer alone" in out
    assert say("restrict", "ann")[0] == 1


def test_a_certificate_can_be_checked_by_whoever_has_the_salt(home: StoreHome, say: Say, capsys) -> None:  # type: ignore[no-untyped-def]
    code, out = say("erase", "ann", "--yes", "--json")
    assert code == 0
    (done,) = json.loads(out)
    check = ["store", "rights", "check", done["certificate"]]
    assert main(check) == 0
    assert main([*check, "--customer", "ann", "--salt", done["salt"]]) == 0
    assert main([*check, "--customer", "ben", "--salt", done["salt"]]) == 1
    assert main([*check, "--customer", "ann"]) != 0
    assert main([*check, "--customer", "ann", "--salt", "xyz"]) != 0
    changed = Path(done["certificate"]).read_text().replace('"orders": 2', '"orders": 3')
    Path(done["certificate"]).write_text(changed)
    assert main(check) == 1
    capsys.readouterr()


def test_nothing_to_finish_and_nobody_to_erase_again_is_said(home: StoreHome, say: Say) -> None:
    assert "No erasure was cut off" in say("finish")[1]
    assert "0 customers erased again" in say("again")[1]


def test_a_call_of_shopify_is_done_when_it_is_signed(
    home: StoreHome, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET + "\n"))
    code, out = say("shopify-secret", "corner.myshopify.com")
    assert code == 0
    assert SECRET not in out
    redact = {
        "shop_domain": "corner.myshopify.com",
        "customer": {"id": 1, "email": "ann"},
        "orders_to_redact": [],
    }
    body = json.dumps(redact).encode()
    (tmp_path / "call").write_bytes(body)
    signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    call = ("webhook", str(tmp_path / "call"), "--topic", "customers/redact", "--signature")
    code, out = say(*call, "AAAA")
    assert code == 1
    assert "not signed" in out
    code, out = say(*call, signature)
    answer = json.loads(out)
    assert (answer["status"], answer["customers"]) == (200, 1)
    assert read_certificate(SignedDocument.from_file_bytes(Path(answer["files"][0]).read_bytes()))


@pytest.mark.slow
@pytest.mark.parametrize("customers", [1, 5_000])
def test_each_right_is_done_within_a_minute_on_100_000_order_lines(
    tmp_path: Path, customers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of many customers, and of one who bought all of it, whose copy of the data is large."""
    home = StoreHome(tmp_path / "store")
    (tmp_path / "orders.csv").write_text("\n".join(_many_lines(customers)) + "\n")
    with Vault.open(home.vault) as vault:
        list(Importer(vault, now=NOW).run([tmp_path / "orders.csv"]))
        with vault.read() as connection:
            assert connection.execute("SELECT count(*) FROM lines").fetchone() == (100_000,)
    for words in (
        ["access", "customer-000"],
        ["correct", "customer-000", "--email", "one@example.org"],
        ["restrict", "customer-000"],
        ["object", "customer-000"],
        ["erase", "customer-000", "--yes"],
    ):
        begun = time.perf_counter()
        assert main(["store", "rights", *words, "--home", str(home.root)]) == 0
        assert time.perf_counter() - begun < LIMIT_SECONDS, words[0]
    capsys.readouterr()


def _many_lines(customers: int) -> list[str]:
    lines = ["order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount"]
    for number in range(100_000):
        order, day = number // 5, date(2025, 12, 1) + timedelta(days=number // 5 % 340)
        who = f"customer-{order % customers:03d}"
        lines.append(f"order-{order:07d},{day}T10:00:00,{who},product {number % 1999},1,2.50,0")
    return lines
