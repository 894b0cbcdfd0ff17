"""A page as a browser reads it, for tests: elements, attributes, texts, and what is wrong with it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

_EMPTY = ("meta", "br", "line", "circle", "rect", "polygon")


class PageOutline(HTMLParser):
    """Elements and attributes of a page; complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def names(self) -> set[str]:
        """All names of elements."""
        return {tag for tag, _ in self.tags}

    def problems(self) -> list[str]:
        """What a page of ours must not have or lack."""
        found = [f"not closed: {tag}" for tag in self.open]
        found += sorted(self.names() & {"script", "img", "link", "iframe", "object", "form", "base"})
        for tag, attributes in self.tags:
            found += [
                f"{tag} {name}"
                for name in attributes
                if name.startswith("on") or name in ("src", "style", "action")
            ]
            if not (attributes.get("href") or "#").startswith("#"):
                found.append(f"a link outside: {attributes['href']}")
            if tag == "th" and "scope" not in attributes:
                found.append("a heading of a table without a scope")
            if tag == "svg" and not attributes.get("aria-labelledby"):
                found.append("a drawing without a text for it")
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        found += [f"twice: {each}" for each in {each for each in ids if ids.count(each) > 1}]
        levels = [int(tag[1]) for tag, _ in self.tags if re.fullmatch("h[1-6]", tag)]
        if levels[:1] != [1] or levels.count(1) != 1:
            found.append("no heading, or two")
        if any(after > before + 1 for before, after in pairwise(levels)):
            found.append("a level of heading is left out")
        (policy,) = [attrs["content"] for tag, attrs in self.tags if "http-equiv" in attrs]
        if not (policy or "").startswith("default-src 'none'; style-src 'sha256-"):
            found.append("its policy allows more than its own style")
        return found
