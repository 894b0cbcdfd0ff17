from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Purpose
from highstreet.client.consent_signals.reading import Remark
from highstreet.client.consent_signals.signal_file import FoundSignals, read_signal_file
from highstreet.client.errors import FileNotUnderstoodError
from highstreet.client.importing.importer import Importer
from highstreet.client.signal_customers import signals_of_customers
from highstreet.client.vault import Vault
from tests.client.consent_signals.tc_strings import ALL, tc_string

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AT = "2026-03-01 09:00:00"

MAILCHIMP = (
    "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LAST_CHANGED,NOTES\n"
    f"Ann@example.org,Ann,2,{AT},,{AT},,{AT},\n"
    f"bob@example.org,Bob,2,,,{AT},,{AT},\n"
    "nobody,,2,,,,,,\n"
)
UNSUBSCRIBED = (
    "Email Address,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON\n"
    f"Ann@example.org,{AT},{AT},2026-04-01 09:00:00,Spring,NORMAL\n"
)
KLAVIYO = (
    "Email,Klaviyo ID,Email Marketing Consent,Email Marketing Consent Timestamp,Email Suppressions\n"
    "ann@example.org,01,SUBSCRIBED,2026-03-01T09:00:00Z,\n"
    "bob@example.org,02,NEVER_SUBSCRIBED,,\n"
)
COLUMNS = (
    "customer_id;recorded_at;consent_mode_command;personalization_storage;tc_string;sec_gpc\n"
    f"C-1;2026-03-01T09:00:00Z;update;granted;;\n"
    f"C-1;2026-03-01T09:00:00Z;update;denied;;\n"
    f"C-2;2026-03-01T09:00:00Z;;;{tc_string(own=ALL)};1\n"
)
SHOPIFY = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Total Spent,Total Orders,"
    "Accepts SMS Marketing\n"
    "'1,A,B,ann@example.org,yes,1.00,1,no\n"
    "'2,A,B,bob@example.org,no,1.00,1,yes\n"
)


def found(folder: Path, name: str, text: str) -> FoundSignals:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_signal_file(path, now=NOW)


def test_a_stray_quotation_mark_does_not_swallow_those_who_unsubscribed(tmp_path: Path) -> None:
    rows = f'Ann@example.org,{AT},{AT},2026-04-01,"Spring,NORMAL\nbob@example.org,,,2026-04-01,,\n'
    with pytest.raises(FileNotUnderstoodError, match="quotation mark near line 2"):
        found(tmp_path, "unsubscribed.csv", UNSUBSCRIBED.splitlines(keepends=True)[0] + rows)


def test_what_is_found_in_mailchimps_list_is_said_in_plain_words(tmp_path: Path) -> None:
    assert found(tmp_path, "subscribed_members_export_1.csv", MAILCHIMP).in_words() == [
        "subscribed_members_export_1.csv: this looks like Mailchimp's list of people "
        "who signed up. 3 records.",
        "1 person said yes to offers by e-mail.",
        "Not taken for an answer: 1 with subscribed, but the tool does not know how they were signed up.",
        "Not taken for an answer: 1 with no customer number or e-mail address that can be one.",
        "A yes to offers by e-mail is no yes to personal suggestions or to learning.",
    ]


def test_a_list_that_was_renamed_grants_nothing(tmp_path: Path) -> None:
    understood = found(tmp_path, "newsletter.csv", MAILCHIMP)
    assert understood.signals == ()
    assert dict(understood.remarks) == {Remark.UNKNOWN_LIST: 2, Remark.NO_CUSTOMER: 1}
    assert "Nothing in it answers any question here." in understood.in_words()


def test_who_unsubscribed_is_told_whatever_the_file_is_called(tmp_path: Path) -> None:
    understood = found(tmp_path, "list.csv", UNSUBSCRIBED)
    assert [signal.act for signal in understood.signals] == [Act.WITHDRAWN]
    assert "1 person took back a yes to offers by e-mail." in understood.in_words()


def test_klaviyos_list(tmp_path: Path) -> None:
    understood = found(tmp_path, "list.csv", KLAVIYO)
    assert [signal.customer_id for signal in understood.signals] == ["ann@example.org"]
    assert dict(understood.remarks) == {Remark.NEVER_ASKED: 1}


def test_a_list_with_no_more_than_the_needed_columns_is_known(tmp_path: Path) -> None:
    text = "Email,Email Marketing Consent\nann@example.org,UNSUBSCRIBED\n"
    assert [signal.act for signal in found(tmp_path, "x.csv", text).signals] == [Act.WITHDRAWN]


def test_contradictory_rows_at_one_instant_leave_the_stricter(tmp_path: Path) -> None:
    understood = found(tmp_path, "web.csv", COLUMNS)
    acts = {(s.customer_id, s.purpose): s.act for s in understood.signals}
    assert acts[("C-1", Purpose.SUGGESTIONS_HERE)] is Act.REFUSED
    assert acts[("C-2", Purpose.SUGGESTIONS_HERE)] is Act.GIVEN
    assert acts[("C-2", Purpose.COOP_LEARNING)] is Act.OBJECTED
    words = understood.in_words()
    assert "1 person said yes to personal suggestions in this shop on the web." in words
    assert "1 person objected to learning together with the co-op." in words


def test_shopifys_customers_export_answers_nothing_and_that_is_said(tmp_path: Path) -> None:
    understood = found(tmp_path, "customers_export.csv", SHOPIFY)
    assert understood.signals == ()
    assert dict(understood.remarks) == {Remark.UNDATED_YES: 1, Remark.NOT_ASKED_HERE: 1}


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("customers", {"email": "ann@example.org"}),
        ("orders", {"customer": {"email": "ann@example.org"}}),
        ("data", {"attributes": {"email": "ann@example.org"}}),
    ],
)
def test_files_of_json(tmp_path: Path, name: str, record: dict[str, dict[str, object]]) -> None:
    consent = {"state": "unsubscribed", "consent_updated_at": "2026-03-01T09:00:00Z"}
    if name == "data":
        record["attributes"]["subscriptions"] = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    else:
        (record["customer"] if name == "orders" else record)["email_marketing_consent"] = consent  # type: ignore[assignment]
    understood = found(tmp_path, "x.json", json.dumps({name: [record, 7]}))
    assert [signal.act for signal in understood.signals] == [Act.WITHDRAWN]
    assert (understood.records, dict(understood.remarks)) == (2, {Remark.UNREADABLE: 1})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "a,b\n1,2\n"),
        ("x.csv", "customer_id,recorded_at\nC-1,2026-01-01\n"),
        ("x.csv", COLUMNS.replace("tc_string;sec_gpc", "sec_gpc;sec_gpc")),
        ("x.json", "[]"),
        ("x.json", "{"),
        ("x.json", '{"customers": [], "customers": []}'),
        ("x.json", '{"customers": 1}'),
        ("x.csv", ""),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(FileNotUnderstoodError) as caught:
        found(tmp_path, name, text)
    assert caught.value.next_step


def test_rows_with_too_many_cells_say_nothing(tmp_path: Path) -> None:
    understood = found(
        tmp_path, "list.csv", KLAVIYO + "eve@example.org,03,SUBSCRIBED,2026-03-01T09:00:00Z,,surplus\n"
    )
    assert "eve@example.org" not in {signal.customer_id for signal in understood.signals}
    assert dict(understood.remarks)[Remark.UNREADABLE] == 1


def test_signals_find_their_customers_and_make_nobody_a_customer(tmp_path: Path) -> None:
    customers = tmp_path / "customers.csv"
    customers.write_text(
        "customer_id,consent_recorded_at,email\n"
        "C-1,,ann@example.org\nC-2,,BOB@example.org\nC-3,,bob@example.org\neve@example.org,,\n"
    )
    with Vault.open(tmp_path / "vault.db") as vault:
        list(Importer(vault, now=NOW).run([customers]))
        keys = {name: vault.customer_key(name) for name in ("C-1", "C-2", "C-3", "eve@example.org")}
        rows = "".join(
            f"{name}@example.org,{state},2026-03-01T09:00:00Z\n"
            for name, state in (
                ("ann", "SUBSCRIBED"),
                ("bob", "SUBSCRIBED"),
                ("bob", "UNSUBSCRIBED"),
                ("eve", "SUBSCRIBED"),
                ("stranger", "UNSUBSCRIBED"),
            )
        )
        text = "Email,Email Marketing Consent,Email Marketing Consent Timestamp\n" + rows
        said = found(tmp_path, "list.csv", text).signals
        later = found(tmp_path, "later.csv", text.replace("bob@example.org,UN", "zed@example.org,UN")).signals
        resolved, again = signals_of_customers(vault, said), signals_of_customers(vault, later)
        with vault.read() as connection:
            assert connection.execute("SELECT count(*) FROM customers").fetchone() == (4,)
    acts = sorted((key, signal.act.value) for key, signal in resolved.signals)
    assert acts == sorted(
        [
            (keys["C-1"], "given"),
            (keys["C-2"], "withdrawn"),
            (keys["C-3"], "withdrawn"),
            (keys["eve@example.org"], "given"),
        ]
    )
    assert (resolved.strangers, resolved.shared) == (1, 0)
    assert {key for key, _ in again.signals} == {keys["C-1"], keys["eve@example.org"]}
    assert (again.strangers, again.shared) == (2, 1)
