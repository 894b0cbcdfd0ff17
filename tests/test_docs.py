"""What the documents name exists: files they link to, tests they cite, commands they print."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from highstreet.cli import _root

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "adr").glob("*.md")])
_GROUPS = "store|coop|sample|lab"


def _named_commands(text: str) -> set[tuple[str, str]]:
    return set(re.findall(rf"highstreet ({_GROUPS}) ([a-z]+)\b", text))


def _named_tests(text: str) -> set[str]:
    found = set(re.findall(r"`(tests/[\w/*.]+)`", text))
    return found | {f"::{name}" for name in re.findall(r"`(test_\w+)`", text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_cited_tests_exist(page: Path) -> None:
    names = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for cited in _named_tests(page.read_text(encoding="utf-8")):
        if cited.startswith("::"):
            assert f"def {cited[2:]}(" in names, cited
        else:
            assert list(ROOT.glob(cited)), cited


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_printed_commands_exist(page: Path) -> None:
    root = _root()
    context = click.Context(root)
    for group_name, name in _named_commands(page.read_text(encoding="utf-8")):
        group = root.get_command(context, group_name)
        assert isinstance(group, click.Group)
        assert group.get_command(context, name) is not None, f"highstreet {group_name} {name}"


def test_what_does_not_exist_would_be_found() -> None:
    assert _named_commands("see `highstreet store fly`.") == {("store", "fly")}
    assert _named_tests("held by `tests/nowhere/` and `test_of_nothing`") == {
        "tests/nowhere/",
        "::test_of_nothing",
    }
