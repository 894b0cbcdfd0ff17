from __future__ import annotations

import stat
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet import cli
from highstreet.audit.consent import Act, Channel, ConsentEvent, ConsentState, Method, Purpose
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.errors import ReceiptError
from highstreet.audit.receipt_format import verify_receipt
from highstreet.audit.receipts import OddEntry
from highstreet.client import consent_log
from highstreet.client.config import ShopConfig, read_config
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_history import consent_history
from highstreet.client.consent_intake import event_number
from highstreet.client.errors import StoreConfigError, UnknownCustomerError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.importing.importer import Importer
from highstreet.client.receipt_desk import IssuedReceipt, issue_receipt
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


def _badly(full_vault: Vault, monkeypatch: pytest.MonkeyPatch) -> ConsentDesk:
    """Answers that are refused today, as a log of an earlier version may hold them."""
    desk = ConsentDesk(full_vault)
    with monkeypatch.context() as patch:
        patch.setattr(consent_log, "check_showable", lambda event: None)
        for source, until in (("", None), ("x" * 501, None), ("y" * 5000, None), ("till", 10**18)):
            how = How(method=Method.SPOKEN, source=source, valid_until=until)
            desk.record("ann", Purpose.MATCHING, Act.GIVEN, how)
    desk.record("ann", Purpose.MATCHING, Act.REFUSED, How(method=Method.SPOKEN, source="till"))
    return desk


def _issued(vault: Vault, desk: ConsentDesk, language: str = "en") -> IssuedReceipt:
    return issue_receipt(
        vault,
        desk,
        load_or_make_identity(StoreHome(vault.path.parent)),
        ShopConfig(name="Mill Lane", contact="x"),
        "ann",
        language=language,
        now=time.time_ns() // 1000,
        zone=UTC,
    )


def test_answers_in_the_log_that_no_receipt_has_fields_for_stand_in_it_word_for_word(
    full_vault: Vault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = _badly(full_vault, monkeypatch)
    issued = _issued(full_vault, desk)
    receipt = issued.receipt
    history = {entry.position: entry for entry in desk.history(full_vault.customer_key("ann")) if entry.event}
    assert len(receipt.odd_entries) == 4
    assert len(receipt.entries) + 4 == len(history)
    assert receipt.older_entries == 0
    for odd in receipt.odd_entries:
        event = history[odd.position].event
        assert event is not None
        assert odd.leaf == history[odd.position].leaf == consent_leaf(event, odd.salt)
        assert odd.record == ("" if event.source == "y" * 5000 else event.canonical().decode())
    assert verify_receipt(issued.file) == receipt
    assert {each.purpose: each.state for each in receipt.standings}[Purpose.MATCHING] == "refused"
    file = tmp_path / "receipt.json"
    file.write_bytes(issued.file)
    assert cli.main(["audit", "receipt", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "4 entries that cannot be shown as answers" in shown
    assert "x" * 501 in shown
    for language in ("en", "de", "fr"):
        page = _issued(full_vault, desk, language).page
        assert "x" * 501 in page
        assert page.count("&#34;source&#34;") == 3


def test_a_receipt_that_calls_an_answer_odd_or_an_odd_entry_its_own_is_none(
    full_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = _issued(full_vault, _badly(full_vault, monkeypatch)).receipt
    odd, entry = receipt.odd_entries[0], receipt.entries[0]
    for wrong in (
        OddEntry.of(entry),
        replace(odd, position=receipt.log_position + 1),
        replace(odd, position=entry.position),
        replace(odd, record=odd.record.replace("given", "asked")),
        replace(odd, record=odd.record + " "),
        replace(odd, record="{}"),
        replace(odd, record=receipt.odd_entries[1].record),
        replace(odd, salt=odd.salt[1:]),
        replace(odd, leaf=odd.leaf[1:]),
        replace(odd, leaf=bytes(32)),
        replace(odd, record=" " * 2001),
    ):
        with pytest.raises(ReceiptError):
            replace(receipt, odd_entries=(wrong,))
    with pytest.raises(ReceiptError):
        replace(receipt, odd_entries=receipt.odd_entries[::-1])
    with pytest.raises(ReceiptError):
        replace(receipt, customer=receipt.customer + 1, entries=())
    assert replace(receipt, odd_entries=(odd,)).odd_entries == (odd,)


def test_more_answers_than_a_document_has_room_for_leave_the_older_ones_out_and_count_them(
    full_vault: Vault,
) -> None:
    desk = ConsentDesk(full_vault)
    ann, at = full_vault.customer_key("ann"), 1_700_000_000_000_000
    before = len(desk.history(ann))
    desk.take(
        ConsentEvent(
            event_id=event_number(),
            customer=ann,
            purpose=Purpose.MATCHING,
            channel=Channel.EVERYWHERE,
            act=Act.REFUSED if number % 2 else Act.GIVEN,
            at=at + number,
            method=Method.IMPORT,
            source="ä" * 500,
        )
        for number in range(1000)
    )
    issued = _issued(full_vault, desk)
    assert 100 < len(issued.receipt.entries) < 1000
    assert len(issued.receipt.entries) + issued.receipt.older_entries == 1000 + before
    assert verify_receipt(issued.file) == issued.receipt


def test_a_record_of_a_customers_data_shows_answers_with_moments_that_no_calendar_has(
    full_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = _badly(full_vault, monkeypatch)
    shown = consent_history(desk, full_vault.customer_key("ann"))
    assert [each.valid_until for each in shown if each.valid_until.endswith("since 1970")] == [
        "1000000000000000000 microseconds since 1970"
    ]
