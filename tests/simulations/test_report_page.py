from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from made_up_runs import CLAIM, made_up_run

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks
from highstreet.simulations.report import render
from highstreet.simulations.report.audit_record import AuditPart
from highstreet.simulations.report.published import NOISE_IN_THE_SUM
from highstreet.simulations.report.record import Estimate, RunRecord
from highstreet.simulations.report.verdict import direction, verdict

_HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class _Page(HTMLParser):
    """Every element with its attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_page_holds_every_section_and_shop() -> None:
    text = render(made_up_run())
    for words in (
        "Corner shop",
        "Mill Lane",
        "Oat biscuits",
        "(2.00, 1e-05)",
        "(9.50, 1e-05)",
        "Made up.",
        "1 of 1",
        NOISE_IN_THE_SUM,
    ):
        assert words in text


def test_hostile_names_stay_text() -> None:
    page = _Page(render(made_up_run(names=(_HOSTILE, "Mill Lane"))))
    assert page.named("script") == []
    assert page.named("img") == []
    assert all("onerror" not in attributes for _, attributes in page.elements)


def test_page_loads_nothing_from_anywhere() -> None:
    text = render(made_up_run())
    page = _Page(text)
    assert {tag for tag, _ in page.elements} & {
        "link",
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
    } == set()
    assert re.findall(r"(?:https?:)?//\w|url\(|@import", text) == []
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in page.named("meta"))


def test_every_chart_has_a_text_alternative_with_its_figures() -> None:
    page = _Page(render(made_up_run()))
    drawings = page.named("svg")
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert len(drawings) == 11
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set((drawing["aria-labelledby"] or "").split()) <= ids
    words = re.findall(r"<desc[^>]*>([^<]+)</desc>", render(made_up_run()))
    assert len(words) == 11
    assert any("Mill Lane, 80 customers: +0.0030 (+0.0010 to +0.0050)." in found for found in words)


def test_ids_are_unique() -> None:
    ids = [attributes["id"] for _, attributes in _Page(render(made_up_run())).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_colours_reach_contrast_aa(theme: str) -> None:
    style = re.findall(r":root \{(.*?)\}", render(made_up_run()), flags=re.S)[0 if theme == "light" else 1]
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", style))
    for name in ("ink", "soft", "coop", "alone", "good", "bad"):
        for ground in ("paper", "panel"):
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in ("baseline", "above", "below"):
        assert _contrast(colours[name], colours["paper"]) >= 3.0, name


def test_contrast_of_black_on_white_is_21() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21.0)


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_audit_module_has_a_section_with_both_candidates_and_links_beside_the_page() -> None:
    text = " ".join(render(made_up_run()).split())
    for words in (
        "70 customers before, 69 after",
        'ages alike: <span class="bad">fail</span>',
        "Kept back. The rules on bias keep it back: ages_alike (fail).",
        "Released, and in use at 3 of 3 shops.",
        '<a href="statements/coop/statement-1.html">statement about the release</a>',
        "held against what 2 shops witnessed of it: everything fits.",
        "1 release, 89 round",
        '<td>under 25</td><td class="number">-0.620</td><td>-0.700 to -0.540</td><td class="bad">fail</td>',
    ):
        assert words in text, words


def test_rounds_are_counted_from_1_wherever_the_page_names_one() -> None:
    text = render(made_up_run())
    assert "<tr><td>2</td><td>ranker</td><td>contribution</td>" in text
    assert "<td>2, ranker</td>" in text
    assert "round 1 (popularity)" in text
    assert "<td>0, popularity</td>" not in text
    assert "<tr><td>0</td>" not in text


def test_what_a_run_did_not_come_to_is_left_out_of_the_section() -> None:
    record = made_up_run()
    text = render(record.model_copy(update={"audit": AuditPart()}))
    assert "What an auditor can check" in text
    for words in ("Two candidates", "Statements for", "The log</h3>", "taken back between"):
        assert words not in text
    assert 'href="#audit"' not in render(record.model_copy(update={"audit": None}))


def test_a_run_without_figures_still_gives_a_page() -> None:
    record = made_up_run()
    bare = record.model_copy(
        update={
            "stores": tuple(
                store.model_copy(update={"evaluation": None, "rounds": (), "claims": (), "suggestions": ()})
                for store in record.stores
            ),
            "pooled": None,
            "phases": (),
            "claims": (),
            "sums": (),
            "contribution": None,
            "release": None,
            "audit": None,
            "checks": (),
            "steps": (),
        }
    )
    text = render(bare)
    assert "says nothing about quality" in text
    assert "No release was made" in text


def test_record_survives_json() -> None:
    record = made_up_run()
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.001, 0.02, "better"), (-0.02, -0.001, "worse"), (-0.01, 0.01, "unclear"), (None, None, "unclear")],
)
def test_only_an_interval_without_zero_is_a_difference(
    low: float | None, high: float | None, expected: str
) -> None:
    assert direction(Estimate(value=0.005, low=low, high=high)) == expected


def test_verdict_says_where_the_coop_harms() -> None:
    sentences = " ".join(verdict(made_up_run(shift=-0.03)))
    assert "ranks worse than the model the shop trains alone" in sentences
    assert "worse in 2 of 2 (Corner shop, Mill Lane)" in sentences


def test_verdict_does_not_claim_what_the_interval_does_not_show() -> None:
    sentences = [words for words in verdict(made_up_run()) if words.startswith("For all later purchases")]
    assert len(sentences) == 1
    assert "cannot be told apart from" in sentences[0]


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.4), (-0.013, 0.021), (0.0, 189.0), (3.0, 3.0)])
def test_ticks_lie_inside_and_rise(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found == sorted(set(found))
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert 1 <= len(found) <= 11


def test_scale_keeps_what_is_outside_at_the_edge() -> None:
    scale = Scale(low=0.0, high=1.0, start=10.0, end=20.0)
    assert [scale(value) for value in (-1.0, 0.5, 2.0)] == [10.0, 15.0, 20.0]


def test_drawing_is_well_formed_whatever_its_words() -> None:
    drawing = Drawing(key="k", title=_HOSTILE, description="a & b < c", width=10, height=10)
    drawing.text(1, 1, _HOSTILE)
    for shape in ("circle", "square", "diamond"):
        drawing.mark(2, 2, shape=shape, cls='a"b')
    root = ET.fromstring(str(drawing.markup()))  # noqa: S314  our own drawing
    assert root.findtext("title") == _HOSTILE
    assert root.findtext("text") == _HOSTILE
    assert len(root) == 6


def test_a_simple_rule_that_beats_the_shops_own_model_is_named() -> None:
    record = made_up_run()
    assert record.pooled is not None
    rule, *others = record.pooled.methods
    strong = rule.model_copy(update={"novel": Estimate(value=0.09, low=0.08, high=0.1)})
    pooled = record.pooled.model_copy(update={"methods": (strong, *others)})
    sentences = " ".join(verdict(record.model_copy(update={"pooled": pooled})))
    assert (
        "shop's best-sellers, has a higher figure (0.0900) than the model a shop trains alone (0.0590)"
        in sentences
    )
    assert "what is served has 0.0620" in sentences
    assert "proves little" not in " ".join(verdict(record))


def test_epsilon_is_rounded_up_never_down() -> None:
    claim = CLAIM.model_copy(update={"epsilon": 6.7001})
    assert claim.shown_epsilon == "6.71"
    assert CLAIM.shown_epsilon == "2.00"
    assert claim.model_copy(update={"epsilon": float("inf")}).shown_epsilon == "infinity"


def test_equal_sizes_are_claimed_only_when_they_are_equal() -> None:
    record = made_up_run()
    first, second = record.stores
    smaller = second.model_copy(update={"rounds": second.rounds[:1]})
    assert "size is the same for every shop" in render(record)
    assert "size is the same for every shop" not in render(
        record.model_copy(update={"stores": (first, smaller)})
    )


def test_noise_once_in_the_sum_stands_against_noise_per_shop() -> None:
    text = render(made_up_run())
    assert "√(6 / (4 − 1)) = 1.41 times" in " ".join(text.split())
    assert "√6 = 2.45 times" in " ".join(text.split())
    assert "6 of 6, 4 needed, to 1 set" in text


def test_every_kind_of_message_is_listed_with_its_hash_and_noise() -> None:
    text = render(made_up_run())
    for words in ("contribution", "agreement", "share of the sum", "cd" * 16, "this shop&#39;s share of it"):
        assert f"<td>{words}" in text or f"<td><code>{words}" in text or f"<td>yes: {words}" in text, words
    assert text.count("no copy kept") == 2 * 2 * 2


@pytest.mark.parametrize(
    "update",
    [{"sets": 2}, {"agreed": 3}, {"agreed": 7}, {"recomputed": 5}, {"contributors": 3, "recomputed": 3}],
)
def test_a_sum_with_two_sets_or_too_few_agreements_is_not_in_order(update: dict[str, int]) -> None:
    held = made_up_run().sums[0]
    assert held.is_in_order
    assert not held.model_copy(update=update).is_in_order
