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
_GROUPS = "store|coop|audit|sample|lab"


def _named_commands(text: str) -> set[tuple[str, str]]:
    return set(re.findall(rf"highstreet ({_GROUPS}) ([a-z][a-z-]*)\b", text))


def _typed_commands(text: str) -> list[list[str]]:
    """Whole commands as printed: in code spans, which may break a line, or in lines of their own."""
    spans = re.findall(r"`(highstreet [^`]+)`", text) + re.findall(r"^ *(?:\$ )?(highstreet .+)$", text, re.M)
    return [span.split("#")[0].split()[1:] for span in spans]


def _unknown_words(words: list[str]) -> set[str]:
    """The options, and the commands of a group, in a typed command that do not exist."""
    command: click.Command | None = _root()
    assert command is not None
    context = click.Context(command)
    options: set[str] = {"--help"}
    unknown = set()
    for word in (word.strip(".,;:)([]") for word in words):
        if isinstance(command, click.Group) and word.replace("-", "").islower() and word[0] != "-":
            command = command.get_command(context, word)
            if command is None:
                return {word}
            options |= {each for parameter in command.params for each in parameter.opts}
        elif word.startswith("--") and len(word) > 2 and word not in options:
            unknown.add(word)
    return unknown


def _slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _named_tests(text: str) -> set[str]:
    found = set(re.findall(r"`(tests/[\w/*.]+)`", text))
    return found | {f"::{name}" for name in re.findall(r"`(test_\w+)`", text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        assert anchor in {_slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_printed_options_exist(page: Path) -> None:
    for words in _typed_commands(page.read_text(encoding="utf-8")):
        assert not _unknown_words(words), " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_printed_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8"))) <= targets


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
    assert _typed_commands("`highstreet store\nrounds --json`\n$ highstreet coop run  # now") == [
        ["store", "rounds", "--json"],
        ["coop", "run"],
    ]
    assert _unknown_words(["store", "rounds", "--loud"]) == {"--loud"}
    assert _unknown_words(["coop", "charter", "burn"]) == {"burn"}
    assert _unknown_words(["coop", "charter", "check", "charter.toml", "--home", "X"]) == set()
    assert _slug("4. Check it: yourself!") == "4-check-it-yourself"
    assert _named_commands("see `highstreet store fly`.") == {("store", "fly")}
    assert _named_tests("held by `tests/nowhere/` and `test_of_nothing`") == {
        "tests/nowhere/",
        "::test_of_nothing",
    }
