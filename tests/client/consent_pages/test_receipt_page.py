from __future__ import annotations

import re
import string
from datetime import UTC, timedelta, timezone
from importlib import resources

import pytest
from page_outline import PageOutline

from highstreet.audit.consent import Act, Channel, ConsentEvent, Method, NoticeName, Purpose
from highstreet.audit.receipt_context import PROCESSES, STATES
from highstreet.audit.receipts import Receipt, ReceiptEntry, ReceiptIssuer, Standing
from highstreet.client.consent_pages.catalogue import LANGUAGES, language_of, words
from highstreet.client.consent_pages.receipt_page import receipt_page
from highstreet.client.errors import UnknownLanguageError

AT = 1_772_355_600_000_000  # 2026-03-01 09:00 UTC
HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7*7 }} {shop}"


def made(text: str = "Käse & Co", *, older: int = 0, events: int = 2) -> Receipt:
    said = tuple(
        ReceiptEntry(
            position=place + 1,
            salt=bytes(32),
            event=ConsentEvent(
                event_id=f"{text}{place:04}",
                customer=7,
                purpose=Purpose.COOP_LEARNING,
                channel=Channel.EVERYWHERE,
                act=(Act.GIVEN, Act.WITHDRAWN)[place % 2],
                at=AT + place,
                valid_until=AT + 10 if place == 0 else None,
                method=Method.FORM,
                source=text,
                notice=NoticeName(version=text, language=text, sha256=bytes(32)) if place == 0 else None,
            ),
        )
        for place in range(events)
    )
    return Receipt(
        receipt_id="12345678-1234-4234-8234-123456789abc",
        issued_at=AT,
        issuer=ReceiptIssuer(name=text, contact=text, country="AT", public_key=bytes(32)),
        customer_id=text,
        standings=tuple(
            Standing(purpose=purpose, channel=channel, state=state)
            for purpose, channel, state in (
                (Purpose.COOP_LEARNING, Channel.EVERYWHERE, "withdrawn"),
                (Purpose.SHOP_MODEL, Channel.WEB, "granted"),
            )
        ),
        customer=7,
        entries=said,
        older_entries=older,
        log_position=10,
        log_root=bytes(32),
    )


def page(receipt: Receipt, language: str = "en") -> str:
    return receipt_page(receipt, language=language, zone=UTC, receipt_file="receipt.json")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_sound_in_every_language_and_says_what_the_receipt_says(language: str) -> None:
    outline = PageOutline(page(made(older=7), language))
    said = words(language).text
    assert outline.open == []
    assert ("html", {"lang": language}) in outline.tags
    for text in (
        said.states["withdrawn"],
        said.states["granted"],
        said.acts["given"],
        said.acts["withdrawn"],
        said.purposes["coop_learning"],
        said.channels["web"],
        said.months[2],
        "7",
        "highstreet audit receipt receipt.json",
        bytes(32).hex(),
    ):
        assert text in outline.text
    headings = [tag for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert (headings[0], set(headings[1:])) == ("h1", {"h2"})


def test_nothing_on_the_page_is_run_or_loaded() -> None:
    text = page(made(HOSTILE))
    outline = PageOutline(text)
    assert {tag for tag, _ in outline.tags} & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "form",
        "base",
    } == set()
    for _, attributes in outline.tags:
        assert not any(name.startswith("on") or name in ("src", "style", "action") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]
    assert HOSTILE in outline.text
    assert "49" not in outline.text
    (policy,) = [attrs["content"] for tag, attrs in outline.tags if "http-equiv" in attrs]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_the_latest_entry_comes_first_and_an_empty_record_is_said_in_words() -> None:
    text = page(made())
    said = words("en").text
    assert text.index(said.acts["withdrawn"]) < text.index(said.acts["given"])
    assert said.history_empty in page(made(events=0))
    assert said.history_empty not in text


def test_moments_are_told_in_the_shops_zone() -> None:
    vienna = timezone(timedelta(hours=1))
    text = receipt_page(made(), language="fr", zone=vienna, receipt_file="x")
    assert "1er mars 2026 à 10:00 (UTC+01:00)" in text
    assert "1 March 2026, 09:00 (UTC)" in page(made())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_for_everything_with_the_same_placeholders(language: str) -> None:
    said, english = words(language).text, words("en").text
    assert set(said.purposes) == set(said.used) == set(PROCESSES) >= {purpose.value for purpose in Purpose}
    assert set(said.states) == set(STATES)
    assert set(said.acts) == {act.value for act in Act}
    assert set(said.channels) == {channel.value for channel in Channel}
    assert set(said.methods) == {method.value for method in Method}
    assert len(said.rights_list) == len(english.rights_list)
    for name, text in said.model_dump().items():
        if isinstance(text, str):
            assert text
            assert _placeholders(text) == _placeholders(getattr(english, name)), name
        elif isinstance(text, dict):
            assert all(text.values()), name


def test_a_language_is_found_by_its_first_part_or_refused() -> None:
    assert [language_of(each) for each in ("de-AT", "FR", "en_GB")] == ["de", "fr", "en"]
    with pytest.raises(UnknownLanguageError, match="language"):
        language_of("tlh")


def test_the_keyboard_reaches_the_content_first_and_whatever_scrolls() -> None:
    outline = PageOutline(page(made()))
    reached = [
        attributes.get("class")
        for tag, attributes in outline.tags
        if tag == "a" or attributes.get("tabindex") == "0"
    ]
    assert reached == ["skip", "scroll", "scroll"]
    ids = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    for _, attributes in outline.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name) is None or attributes[name] in ids
    assert "content" in ids


def test_every_colour_of_text_can_be_read_on_every_ground() -> None:
    # WCAG 2.2, 1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for lines that carry meaning.
    for colours in _palettes():
        for ground in ("paper", "panel"):
            for ink in ("ink", "soft", "link", "yes"):
                assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
            assert _contrast(colours["rule"], colours[ground]) >= 3
    assert _contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # the well-known limit on white
    assert _contrast("#777777", "#ffffff") < 4.5


def _palettes() -> list[dict[str, str]]:
    style = (
        resources.files("highstreet.client.consent_pages").joinpath("templates", "receipt.css").read_text()
    )
    found = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{[^}]*\}", style)
    ]
    light, dark, printed = found
    assert set(light) == set(dark)
    return [light, dark, {**light, **printed}]


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
