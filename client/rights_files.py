"""What is made for customers who use their rights: copies of their data and certificates, kept in private."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from highstreet.client.home import StoreHome
from highstreet.client.rights_requests import folders_before
from highstreet.client.vault import Vault
from highstreet.files import access_error, make_private_folder, write_private

__all__ = [
    "KEPT_DAYS",
    "certificates_folder",
    "keep_record",
    "new_folder_name",
    "remove_expired",
    "remove_folders",
]

#: For how long a copy that was made for a customer stays here; it was handed over long before.
KEPT_DAYS = 30
_NAME = re.compile(r"[0-9a-f]{16}")
_SECONDS_A_DAY = 86_400


def certificates_folder(home: StoreHome) -> Path:
    """Return the folder of certificates, made when there is none."""
    folder = home.rights / "certificates"
    for each in (home.rights, folder):
        make_private_folder(each)
    return folder


def new_folder_name() -> str:
    """Return a name for a folder that says nothing of whom it is for."""
    return secrets.token_hex(8)


def keep_record(home: StoreHome, name: str, *, for_programs: bytes, for_people: bytes) -> Path:
    """Write both forms of a record into a folder of their own and return it."""
    folder = home.rights / name
    for each in (home.rights, folder):
        make_private_folder(each)
    write_private(folder / "record.json", for_programs)
    write_private(folder / "record.html", for_people)
    return folder


def remove_folders(home: StoreHome, names: Iterable[str]) -> None:
    """Remove folders with copies; those that are gone already change nothing.

    Raises:
        FileAccessError: one could not be removed.
    """
    for name in names:
        folder = home.rights / name
        while _NAME.fullmatch(name) and folder.is_dir():
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue  # another process removes it at this moment
            except OSError as error:
                raise access_error(folder, error) from error


def remove_expired(home: StoreHome, vault: Vault, *, now: datetime) -> int:
    """Remove copies that were made more than KEPT_DAYS ago, and what is in no journal; return how many.

    Raises:
        FileAccessError: one could not be removed; the next time goes on with it.
    """
    with vault.write() as connection:  # whoever makes a copy holds it from its folder to the journal's entry
        old = set(folders_before(connection, int(now.timestamp()) - KEPT_DAYS * _SECONDS_A_DAY))
        known = set(folders_before(connection, 1 << 62))
        there = {each.name for each in home.rights.iterdir()} if home.rights.is_dir() else set()
    due = {name for name in there if _NAME.fullmatch(name) and (name in old or name not in known)}
    remove_folders(home, due)
    return len(due)
