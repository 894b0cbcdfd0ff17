from __future__ import annotations

import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet import cli
from highstreet.audit.consent import Act, Channel, ConsentState, Method, Purpose
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.receipt_format import verify_receipt
from highstreet.client.config import ShopConfig, read_config
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.errors import StoreConfigError, UnknownCustomerError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.importing.importer import Importer
from highstreet.client.receipt_desk import issue_receipt
from highstreet.client.vault import Vault
from highstreet.errors import HighstreetError

SUBSCRIBED = (
    "Email Address,OPTIN_TIME,CONFIRM_TIME\n"
    "Ann@example.org,2026-03-01 09:00:00,2026-03-01 09:05:00\n"
    "stranger@example.org,2026-03-01 09:00:00,2026-03-01 09:05:00\n"
)
UNSUBSCRIBED = "Email Address,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME\nann@example.org,,,2026-05-01 09:00:00\n"
SHOP = '[shop]\nname = "Mill Lane"\ncontact = "privacy@milllane.example"\ncountry = "GB"\nlanguage = "fr"\n'


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    found = StoreHome(tmp_path / "store").ensure()
    customers = tmp_path / "customers.csv"
    customers.write_text(
        "customer_id,consent_recorded_at,email\nC-1,,ann@example.org\nC-2,,bob@example.org\n"
    )
    with Vault.open(found.vault) as vault:
        list(Importer(vault, now=datetime.now(UTC)).run([customers]))
    return found


def state(home: StoreHome, purpose: Purpose, channel: Channel) -> ConsentState:
    with Vault.open(home.vault) as vault:
        return ConsentDesk(vault).state(vault.customer_key("C-1"), purpose, channel)


def run(home: StoreHome, *words: str) -> int:
    return cli.main(["store", "--home", str(home.root), *words])


def test_signals_are_shown_then_taken_over_and_mean_no_more_than_they_say(
    home: StoreHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yes, no = tmp_path / "subscribed_members_export.csv", tmp_path / "unsubscribed_members_export.csv"
    yes.write_text(SUBSCRIBED)
    no.write_text(UNSUBSCRIBED)
    assert run(home, "consent", "import", "--dry-run", str(yes)) == 0
    shown = capsys.readouterr().out
    assert "2 people said yes to offers by e-mail." in shown
    assert "1 of the people in it are no customers of this shop: left out." in shown
    assert "Nothing was saved" in shown
    assert state(home, Purpose.EMAIL_MARKETING, Channel.EMAIL) is ConsentState.NOT_ASKED

    assert run(home, "consent", "import", "--yes", str(yes)) == 0
    assert "Saved: 1 new consent answers." in capsys.readouterr().out
    assert state(home, Purpose.EMAIL_MARKETING, Channel.EMAIL) is ConsentState.GRANTED
    for purpose in set(Purpose) - {Purpose.EMAIL_MARKETING}:
        assert all(state(home, purpose, channel) is ConsentState.NOT_ASKED for channel in Channel)

    assert run(home, "consent", "import", "--yes", str(no)) == 0
    assert state(home, Purpose.EMAIL_MARKETING, Channel.EMAIL) is ConsentState.WITHDRAWN
    capsys.readouterr()
    assert run(home, "consent", "import", "--yes", str(yes), str(no)) == 0
    assert capsys.readouterr().out.count("Saved: 0 new consent answers.") == 2
    assert state(home, Purpose.EMAIL_MARKETING, Channel.EMAIL) is ConsentState.WITHDRAWN


def test_import_points_a_list_of_another_tool_to_the_right_command(
    home: StoreHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "subscribed_members_export.csv"
    path.write_text(SUBSCRIBED)
    assert run(home, "import", str(path)) == 1
    assert "highstreet store consent import" in capsys.readouterr().err


def test_one_file_that_is_not_understood_saves_nothing_of_the_others(
    home: StoreHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yes, odd = tmp_path / "subscribed_members_export.csv", tmp_path / "odd.csv"
    yes.write_text(SUBSCRIBED)
    odd.write_text("a,b\n1,2\n")
    assert run(home, "consent", "import", "--yes", str(yes), str(odd)) == 1
    assert "odd.csv" in capsys.readouterr().err
    assert state(home, Purpose.EMAIL_MARKETING, Channel.EMAIL) is ConsentState.NOT_ASKED


def test_a_receipt_says_what_the_desk_knows_and_anybody_can_check_it(
    home: StoreHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.config.write_text(SHOP)
    assert run(home, "consent", "record", "C-1", "suggestions_here", "yes") == 0
    assert run(home, "consent", "record", "C-2", "coop_learning", "yes") == 0
    folder = tmp_path / "for-ann"
    capsys.readouterr()
    assert run(home, "consent", "receipt", "C-1", "--to", str(folder)) == 0
    shown = capsys.readouterr().out
    (file,), (page,) = folder.glob("*.json"), folder.glob("*.html")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file, page)} == {0o600}
    key = load_or_make_identity(home).signing_public_key
    found = verify_receipt(file.read_bytes(), public_key=key)
    assert key.hex() in shown
    assert (found.customer_id, found.issuer.name) == ("C-1", "Mill Lane")
    assert [(each.event.purpose, each.event.act, each.event.method) for each in found.entries] == [
        (Purpose.SUGGESTIONS_HERE, Act.GIVEN, Method.SPOKEN)
    ]
    assert {each.purpose: each.state for each in found.standings} == {
        purpose: "granted" if purpose is Purpose.SUGGESTIONS_HERE else "not_asked" for purpose in Purpose
    }
    text = page.read_text()
    assert '<html lang="fr">' in text
    assert "Mill Lane" in text
    assert "C-2" not in text + file.read_text()
    assert file.name in text
    with Vault.open(home.vault) as vault:
        desk = ConsentDesk(vault)
        (logged,) = desk.history(vault.customer_key("C-1"))
        head = desk.root()
    assert (found.log_position, found.log_root) == (head.position, head.root)
    (entry,) = found.entries
    assert (entry.position, consent_leaf(entry.event, entry.salt)) == (logged.position, logged.leaf)
    assert cli.main(["audit", "receipt", str(file), "--key", key.hex()]) == 0


def test_a_receipt_needs_a_shop_that_says_who_it_is(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault:
        for shop, customer, error in (
            (ShopConfig(name="Mill Lane"), "C-1", StoreConfigError),
            (ShopConfig(contact="x"), "C-1", StoreConfigError),
            (ShopConfig(name="Mill Lane", contact="x"), "C-9", UnknownCustomerError),
        ):
            with pytest.raises(error):
                issue_receipt(
                    vault,
                    ConsentDesk(vault),
                    load_or_make_identity(home),
                    shop,
                    customer,
                    language="en",
                    now=time.time_ns() // 1000,
                    zone=UTC,
                )
    assert read_config(home).shop == ShopConfig()


def test_what_was_said_of_a_channel_stands_apart(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault:
        desk = ConsentDesk(vault)
        how = How(method=Method.FORM, source="till")
        desk.record("C-1", Purpose.SUGGESTIONS_HERE, Act.GIVEN, how)
        desk.record("C-1", Purpose.SUGGESTIONS_HERE, Act.REFUSED, how, channel=Channel.WEB)
        issued = issue_receipt(
            vault,
            desk,
            load_or_make_identity(home),
            ShopConfig(name="Mill Lane", contact="x"),
            "C-1",
            language="de",
            now=time.time_ns() // 1000,
            zone=UTC,
        )
    states = {
        each.channel: each.state
        for each in issued.receipt.standings
        if each.purpose is Purpose.SUGGESTIONS_HERE
    }
    assert states == {Channel.EVERYWHERE: "refused", Channel.WEB: "refused"}
    assert verify_receipt(issued.file) == issued.receipt


@pytest.mark.parametrize(
    ("source", "until", "is_taken"),
    [
        ("", None, False),
        (" ", None, False),
        ("x" * 501, None, False),
        ("till", 253_402_300_800_000_000, False),
        ("x" * 500, 253_402_300_799_999_999, True),
    ],
)
def test_an_answer_that_no_receipt_could_show_is_refused_and_one_at_the_limit_is_shown(
    full_vault: Vault, source: str, until: int | None, is_taken: bool
) -> None:
    desk, home = ConsentDesk(full_vault), StoreHome(full_vault.path.parent)
    before = desk.position()
    try:
        said = How(method=Method.SPOKEN, source=source, valid_until=until)
        desk.record("ann", Purpose.COOP_LEARNING, Act.GIVEN, said)
    except HighstreetError as error:
        assert error.next_step  # noqa: PT017 - whether it is refused is the question
    assert (desk.position() > before) == is_taken
    issue_receipt(
        full_vault,
        desk,
        load_or_make_identity(home),
        ShopConfig(name="Ann's", contact="ann@example.org", country="DE"),
        "ann",
        language="en",
        now=time.time_ns() // 1000,
        zone=UTC,
    )
