"""Papers of matchings on the shop's disk: until when each lasts, and list and table as they were sent."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from highstreet.client.round_replies import answered_request
from highstreet.files import make_private_folder, read_limited, remove_leftovers, write_private

__all__ = ["MatchingPapers"]

_REPLY_LIMIT_BYTES = 64 << 20
_DEADLINE_LIMIT_BYTES = 32
#: Replies with the latest lists and tables are kept; a store's place on a committee needs no older one.
_KEPT = 4


class MatchingPapers:
    """Files named after the request's hash. Each is on the disk when the method returns.

    Args:
        folder: of this store; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_deadline(self, request_sha256: bytes, deadline: int) -> None:
        """Keep until when a matching lasts, unix seconds, before anything of it is drawn."""
        path = self._deadline(request_sha256)
        if not path.exists():
            self._write(path, str(deadline).encode())

    def deadline(self, request_sha256: bytes) -> int:
        """Return until when a matching lasts; 0 where that is not known, so that it is over."""
        path = self._deadline(request_sha256)
        if not path.is_file():
            return 0
        text = read_limited(path, limit_bytes=_DEADLINE_LIMIT_BYTES)
        return int(text) if text.isdigit() else 0

    def keep_deadlines(self, of: Collection[bytes]) -> None:
        """Drop the deadlines of all matchings but these: whoever asks in vain leaves nothing on the disk."""
        kept = {self._deadline(request_sha256) for request_sha256 in of}
        for path in set(self._folder.glob("*.deadline")) - kept:
            path.unlink(missing_ok=True)

    def keep_list(self, request_sha256: bytes, reply: bytes) -> bytes:
        """Keep the sealed reply with this store's list, and return the one that is kept: the first."""
        return self._keep(self._list(request_sha256), reply)

    def list(self, request_sha256: bytes) -> bytes | None:
        """Return the sealed reply with this store's list in a matching, None when it sent none."""
        return _read(self._list(request_sha256))

    def keep_table(self, request_sha256: bytes, reply: bytes) -> bytes:
        """Keep the sealed reply with this store's table, and return the one that is kept: the first.

        Its boxes are sealed to the committee; to whoever reads the disk it is what travelled.
        """
        return self._keep(self._table(request_sha256), reply)

    def table(self, request_sha256: bytes) -> bytes | None:
        """Return the sealed reply with this store's table in a matching, None when it gave none."""
        return _read(self._table(request_sha256))

    def table_given_to(self, table_request_sha256: bytes) -> bytes | None:
        """Return the sealed reply with the table that went into one sum, None when none is kept."""
        for path in self._folder.glob("*.table"):
            reply = _read(path)
            if reply is not None and answered_request(reply) == table_request_sha256:
                return reply
        return None

    def _keep(self, path: Path, reply: bytes) -> bytes:
        kept = _read(path)
        if kept is not None:
            return kept
        older = sorted(self._folder.glob(f"*{path.suffix}"), key=lambda each: each.stat().st_mtime)
        for each in older[: max(0, len(older) - _KEPT + 1)]:
            each.unlink(missing_ok=True)
        self._write(path, reply)
        return reply

    def _write(self, path: Path, content: bytes) -> None:
        make_private_folder(self._folder)
        remove_leftovers(self._folder)
        write_private(path, content)

    def _deadline(self, request_sha256: bytes) -> Path:
        return self._folder / f"{request_sha256.hex()}.deadline"

    def _list(self, request_sha256: bytes) -> Path:
        return self._folder / f"{request_sha256.hex()}.list"

    def _table(self, request_sha256: bytes) -> Path:
        return self._folder / f"{request_sha256.hex()}.table"


def _read(path: Path) -> bytes | None:
    return read_limited(path, limit_bytes=_REPLY_LIMIT_BYTES) if path.is_file() else None
