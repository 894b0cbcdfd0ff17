"""The importer: files in, each saved as a whole or not at all, the same file never twice."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from highstreet.client.consent_log import ConsentLog
from highstreet.client.erasure_register import read_register
from highstreet.client.errors import FileNotUnderstoodError, ImportBusyError, VaultError, VaultFullError
from highstreet.client.importing.cells import CellReader
from highstreet.client.importing.erased import leave_out_erased
from highstreet.client.importing.problems import Problems
from highstreet.client.importing.profile import Columns
from highstreet.client.importing.recognise import RecognisedFile, recognise
from highstreet.client.importing.records import Problem, RowError
from highstreet.client.importing.saving import SavedCounts, save_staged
from highstreet.client.importing.source import examine
from highstreet.client.importing.staging import Staging, discard_leftovers, open_staging
from highstreet.client.importing.table import open_rows
from highstreet.client.importing.understanding import Understanding, understand
from highstreet.client.locking import import_lock
from highstreet.client.vault import Vault

__all__ = ["FileOutcome", "ImportResult", "Importer", "find_files", "left_alone", "one_at_a_time"]

#: Free disk per byte of the file: staged rows, saved rows, and the log of the one transaction.
_ROOM_PER_BYTE = 4

Found = TypeVar("Found")

_ENDINGS = frozenset({".csv", ".tsv", ".tab", ".txt"})

#: Told the file's name, the bytes done and the bytes there are.
Progress = Callable[[str, int, int], None]


class FileOutcome(StrEnum):
    """What became of one file."""

    SAVED = "saved"
    ALREADY_SAVED = "already saved"
    ONLY_SHOWN = "only shown"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """One file's outcome; `saved` is given when it was saved, `understanding` unless it was already."""

    file_name: str
    outcome: FileOutcome
    understanding: Understanding | None = None
    saved: SavedCounts | None = None


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files named, and those in the folders named that could be exports, each once.

    In a folder, files named `holdout...` are left alone: they are what `store evaluate` predicts. So are
    hidden ones: on sticks, a Mac puts a `._orders.csv` that is no text beside each file.

    Raises:
        FileNotUnderstoodError: a path does not exist, or a folder has no such file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            if not path.is_file():
                raise FileNotUnderstoodError(
                    f"{path} is not a file or folder here.", next_step="Check the spelling of its path."
                )
            found[path] = None
            continue
        inside = [p for p in sorted(path.iterdir()) if _could_be_export(p)]
        if not inside:
            raise FileNotUnderstoodError(
                f"The folder {path} has no CSV files in it.",
                next_step="Give the folder that the shop's exports were saved to.",
            )
        found.update(dict.fromkeys(inside))
    return list(found)


def left_alone(paths: Sequence[Path]) -> list[str]:
    """Return the names of what lies in the folders named and is not read, as it is no CSV file."""
    inside = (each for path in paths if path.is_dir() for each in sorted(path.iterdir()))
    return [
        each.name
        for each in inside
        if not each.name.startswith(".") and (each.is_dir() or each.suffix.casefold() not in _ENDINGS)
    ]


def _could_be_export(path: Path) -> bool:
    not_meant = path.name.casefold().startswith(("holdout", "."))
    return path.suffix.casefold() in _ENDINGS and path.is_file() and not not_meant


class Importer:
    """Imports files into one vault.

    Args:
        vault: where to.
        now: the present moment, aware.
        confirm: shown what was understood of a file; False leaves the vault as it is.
        progress: told how far reading is.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        now: datetime,
        confirm: Callable[[Understanding], bool] = lambda _: True,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._vault = vault
        self._now = now
        self._confirm = confirm
        self._progress = progress

    def interrupted_files(self) -> list[str]:
        """Return names of files whose import was cut off before it was saved; each is told once."""
        with one_at_a_time(self._vault), self._vault.write() as connection:
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT file_name FROM imports WHERE state = 'reading' ORDER BY import"
                )
            ]
            connection.execute("UPDATE imports SET state = 'interrupted' WHERE state = 'reading'")
        return names

    def run(self, paths: Sequence[Path], *, dry_run: bool = False) -> Iterator[ImportResult]:
        """Import files: products, then customers, then orders; all are recognised before the first is saved.

        Raises:
            FileNotUnderstoodError, TooManyProblemsError: the file it names was not saved; those before were.
            VaultError: no room, no right, damaged; the file under way was not saved.
            ImportBusyError: another import is under way.
        """
        with one_at_a_time(self._vault):
            discard_leftovers(self._vault)
            files = [self._recognise(path) for path in find_files(paths)]
            for file in sorted(files, key=lambda file: file.profile.subject):
                yield self._import(file, dry_run=dry_run)

    def look_into(self, path: Path, look: Callable[[RecognisedFile, Staging], Found]) -> Found:
        """Read one file as for an import, let `look` see it staged, save nothing; return what `look` returns.

        Raises: as `run`.
        """
        with one_at_a_time(self._vault):
            discard_leftovers(self._vault)
            file, problems = self._recognise(path), Problems()
            with open_staging(self._vault) as staging:
                rows_read = self._stage(file, staging, problems)
                problems.check(file_name=path.name, rows_read=rows_read)
                return look(file, staging)

    def _recognise(self, path: Path) -> RecognisedFile:
        size = path.stat().st_size if path.is_file() else 0
        return recognise(examine(path, progress=lambda done: self._progress(path.name, done // 8, size)))

    def _import(self, file: RecognisedFile, *, dry_run: bool) -> ImportResult:
        name = file.path.name
        with self._vault.read() as connection:
            known = connection.execute(
                "SELECT 1 FROM imports WHERE file_sha256 = ? AND profile = ? AND state = 'saved'",
                (file.source.sha256, file.profile.name),
            ).fetchone()
        if known is not None:
            return ImportResult(file_name=name, outcome=FileOutcome.ALREADY_SAVED)
        self._check_room(file)
        number = None if dry_run else self._begin(file)
        try:
            return self._stage_and_save(file, number)
        except BaseException:
            if number is not None:
                with suppress(VaultError):
                    self._forget(number)
            raise

    def _stage_and_save(self, file: RecognisedFile, number: int | None) -> ImportResult:
        problems = Problems()
        with open_staging(self._vault) as staging:
            rows_read = self._stage(file, staging, problems)
            file.source.check_unchanged()
            problems.check(file_name=file.path.name, rows_read=rows_read)
            understood = understand(file, staging, rows_read=rows_read, left_out=problems.counts())
            if number is None:
                return ImportResult(
                    file_name=file.path.name, outcome=FileOutcome.ONLY_SHOWN, understanding=understood
                )
            if not self._confirm(understood):
                self._forget(number)
                return ImportResult(
                    file_name=file.path.name, outcome=FileOutcome.DECLINED, understanding=understood
                )
            log = ConsentLog(self._vault)
            with self._vault.write() as connection:
                saved = save_staged(connection, log, now=round(self._now.timestamp() * 1_000_000))
                connection.execute(
                    "UPDATE imports SET state = 'saved', finished_at = ?, rows_read = ?, rows_saved = ?,"
                    " rows_left_out = ? WHERE import = ?",
                    (_now(), rows_read, max(rows_read - problems.left_out, 0), problems.left_out, number),
                )
            if saved.answers or saved.minors:
                log.settle()
        return ImportResult(
            file_name=file.path.name, outcome=FileOutcome.SAVED, understanding=understood, saved=saved
        )

    def _stage(self, file: RecognisedFile, staging: Staging, problems: Problems) -> int:
        cells = CellReader(decimal_comma=file.header.delimiter != ",", now=self._now)
        read = file.profile.reader(Columns(file.header), cells)
        width, size, name = len(file.header.names), file.source.size_bytes, file.path.name
        rows_read = 0
        with open_rows(
            file.source,
            file.header,
            progress=lambda done: self._progress(name, size // 8 + done * 7 // 8, size),
        ) as rows:
            for line, row in rows:
                rows_read += 1
                try:
                    if len(row) > width and any(row[width:]):
                        raise RowError(Problem.CELL_COUNT)
                    for record in read(row):
                        staging.add(line, record)
                except RowError as error:
                    problems.add(error.problem, line)
        if rows_read == 0:
            raise FileNotUnderstoodError(
                f"{name} has column names but no rows.", next_step="Export the data again with its rows."
            )
        leave_out_erased(staging, read_register(self._vault.path.parent), problems)
        staging.finish(problems)
        self._progress(name, size, size)
        return rows_read

    def _check_room(self, file: RecognisedFile) -> None:
        """Refuse before reading what the disk could not hold: a large file takes minutes to read."""
        needed = _ROOM_PER_BYTE * file.source.size_bytes
        free = shutil.disk_usage(self._vault.path.parent).free
        if free < needed:
            raise VaultFullError(
                f"Importing {file.path.name} needs about {needed / 1e9:.1f} GB of free disk, and "
                f"{free / 1e9:.1f} GB are free. Nothing was changed.",
                next_step="Free some space and import it again, or split it into smaller files.",
            )

    def _begin(self, file: RecognisedFile) -> int:
        with self._vault.write() as connection:
            cursor = connection.execute(
                "INSERT INTO imports (file_sha256, file_name, profile, state, started_at)"
                " VALUES (?, ?, ?, 'reading', ?)",
                (file.source.sha256, file.path.name, file.profile.name, _now()),
            )
        return int(cursor.lastrowid or 0)

    def _forget(self, number: int) -> None:
        """Take back the note that a file is being read: it was refused or declined, not cut off."""
        with self._vault.write() as connection:
            connection.execute("DELETE FROM imports WHERE import = ? AND state = 'reading'", (number,))


@contextmanager
def one_at_a_time(vault: Vault) -> Iterator[None]:
    """Hold the lock of imports while the block runs: nothing is staged then, and nobody else brings data in.

    Raises:
        ImportBusyError: an import, or an erasure, is under way.
    """
    lock = os.open(import_lock(vault.path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ImportBusyError(
            "Another import into this shop is under way.",
            next_step="Wait until it has ended, then try again.",
        ) from error
    try:
        yield
    finally:
        os.close(lock)


def _now() -> int:
    return time.time_ns() // 1_000_000_000
