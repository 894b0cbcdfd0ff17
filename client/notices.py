"""Notices: the exact texts that customers are shown when they are asked, each kept once and never changed."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import dataclass

from highstreet.audit.consent import NoticeName
from highstreet.client.errors import NoticeChangedError, UnknownNoticeError
from highstreet.client.vault import Vault

__all__ = ["Notice", "add_notice", "known_notice", "list_notices"]

_LIMIT_CHARACTERS = 200_000
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
#: A tag of BCP 47, as far as a shop needs it.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[0-9A-Za-z]{2,8}){0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One text.

    Attributes:
        name: version, language and hash.
        text: exactly as shown.
        added_at: microseconds since 1970-01-01 UTC.
    """

    name: NoticeName
    text: str
    added_at: int


def add_notice(vault: Vault, *, version: str, language: str, text: str, now: int) -> NoticeName:
    """Keep a text under a version and a language, durably; the same one again changes nothing.

    Raises:
        NoticeChangedError: another text is kept under that version and language, or this text under
            another: who was shown what must stay clear.
        UnknownNoticeError: no usable version, language or text.
    """
    if _VERSION.fullmatch(version) is None or _LANGUAGE.fullmatch(language) is None:
        raise UnknownNoticeError(
            "A notice needs a version such as 2026-11 and a language such as en or de-AT.",
            next_step="Give both with letters, digits, dots and hyphens only.",
        )
    if not text.strip() or len(text) > _LIMIT_CHARACTERS:
        raise UnknownNoticeError(
            f"A notice has between 1 and {_LIMIT_CHARACTERS:,} characters.",
            next_step="Give the file with exactly the text that customers are shown.",
        )
    sha256 = hashlib.sha256(text.encode()).digest()
    with vault.write() as connection:
        rows = connection.execute(
            "SELECT version, language, sha256 FROM notices"
            " WHERE (version = ? AND language = ?) OR sha256 = ?",
            (version, language, sha256),
        ).fetchall()
        if rows and rows != [(version, language, sha256)]:
            raise NoticeChangedError(
                f"There is a notice {version} ({language}) with another text, or this text has another name.",
                next_step="Give a changed text a version of its own; `store consent notices` lists them.",
            )
        if not rows:
            connection.execute(
                "INSERT INTO notices (sha256, version, language, text, added_at) VALUES (?, ?, ?, ?, ?)",
                (sha256, version, language, text, now),
            )
    return NoticeName(version=version, language=language, sha256=sha256)


def known_notice(connection: sqlite3.Connection, version: str, language: str) -> NoticeName:
    """Return the notice of that version and language.

    Raises:
        UnknownNoticeError: there is none.
    """
    row = connection.execute(
        "SELECT sha256 FROM notices WHERE version = ? AND language = ?", (version, language)
    ).fetchone()
    if row is None:
        raise UnknownNoticeError(
            f"This shop has no notice {version} ({language}).",
            next_step="Add its text: highstreet store consent notice VERSION LANGUAGE FILE.",
        )
    return NoticeName(version=version, language=language, sha256=row[0])


def list_notices(vault: Vault) -> tuple[Notice, ...]:
    """Return all notices, the oldest first."""
    with vault.read() as connection:
        rows = connection.execute(
            "SELECT version, language, sha256, text, added_at FROM notices"
            " ORDER BY added_at, version, language"
        ).fetchall()
    return tuple(
        Notice(
            name=NoticeName(version=version, language=language, sha256=sha256), text=text, added_at=added_at
        )
        for version, language, sha256, text, added_at in rows
    )
