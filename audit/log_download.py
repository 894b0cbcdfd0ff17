"""A log as an auditor gets hold of it: from a folder, or over coop.proto from a running coordinator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from highstreet.audit.checkpoints import Checkpoint
from highstreet.audit.errors import LogDownloadError, SignedNoteError
from highstreet.audit.evidence import Evidence, Unusable, read_evidence, read_notes
from highstreet.audit.log_entries import ENTRY_LIMIT_BYTES
from highstreet.audit.log_files import ENTRIES, HEADS, read_lines
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.verifier import LogMaterial
from highstreet.audit.witness_file import COSIGNED_LIMIT_BYTES
from highstreet.files import FileAccessError, read_limited
from highstreet.protos import coop_pb2, coop_pb2_grpc

__all__ = ["CHECKPOINT", "LogAddress", "download_log", "read_evidence_file", "read_log_folder"]

#: Checkpoints with their cosignatures, beside the files of a log.
CHECKPOINT = "checkpoint"
_MESSAGE_LIMIT_BYTES = 4 << 20
_ENTRIES_LIMIT = 10_000_000
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAddress:
    """Where a coordinator answers its members, and with what to ask it.

    Attributes:
        address: host:port of the member port.
        authority: the co-op's authority (PEM), the only one trusted.
        private_key, certificate: of a member (PEM).
    """

    address: str
    authority: bytes
    private_key: bytes
    certificate: bytes

    @classmethod
    def from_url(cls, url: str, *, authority: bytes, private_key: bytes, certificate: bytes) -> LogAddress:
        """Read `coop://host:port`.

        Raises:
            LogDownloadError: it is not such an address.
        """
        try:
            parts = urlsplit(url)
            is_one = parts.scheme == "coop" and parts.hostname and parts.port and parts.path in {"", "/"}
        except ValueError:
            is_one = False
        if not is_one:
            raise LogDownloadError(f"{url} is not the address of a log.", next_step="Write coop://HOST:PORT.")
        return cls(
            address=parts.netloc, authority=authority, private_key=private_key, certificate=certificate
        )


def read_log_folder(folder: Path) -> LogMaterial:
    """Read a log's folder, or a copy of it; nothing in it is believed or changed.

    Raises:
        LogDownloadError: there is no log in it.
        FileAccessError: entries or heads cannot be read.
    """
    if not (folder / ENTRIES).exists() and not (folder / HEADS).exists():
        raise LogDownloadError(
            f"There is no log in {folder}: it has neither {ENTRIES} nor {HEADS}.",
            next_step="Name the log's folder: of a store `coop/log`, of a coordinator `log`.",
        )
    entries, heads = read_lines(folder / ENTRIES), read_lines(folder / HEADS)
    kept = folder / CHECKPOINT
    is_cosigned = kept.exists() or kept.is_symlink()
    return LogMaterial(
        entries=entries.lines,
        heads=heads.lines,
        torn_bytes=entries.torn_bytes + heads.torn_bytes,
        checkpoints=read_evidence_file(kept, limit_bytes=COSIGNED_LIMIT_BYTES) if is_cosigned else Evidence(),
    )


def read_evidence_file(path: Path, *, limit_bytes: int) -> Evidence:
    """Read what a witness kept, or a single note; a file that cannot be read is one that cannot be used."""
    try:
        return read_evidence(read_limited(path, limit_bytes=limit_bytes), where=str(path))
    except FileAccessError as error:
        return Evidence(unusable=(Unusable(where=str(path), why=error.what),))


def download_log(source: LogAddress) -> LogMaterial:
    """Ask a coordinator for its newest checkpoint and every entry it covers.

    Raises:
        LogDownloadError: it does not answer, says no, or sends something else.
    """
    credentials = grpc.ssl_channel_credentials(source.authority, source.private_key, source.certificate)
    options = [("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES), ("grpc.enable_http_proxy", 0)]
    try:
        with grpc.secure_channel(source.address, credentials, options=options) as channel:
            stub = coop_pb2_grpc.CoopStub(channel)  # type: ignore[no-untyped-call]  # generated
            reply = stub.GetCheckpoint(coop_pb2.CheckpointRequest(), timeout=_TIMEOUT_SECONDS)
            note = SignedNote.from_bytes(reply.checkpoint)
            entries = list(_entries(stub, _size(note)))
    except grpc.RpcError as error:
        raise LogDownloadError(
            f"The coordinator at {source.address} did not give its log: {_status(error)}.",
            next_step="Check the address, and that certificate and key are those of a member's store.",
        ) from error
    except SignedNoteError as error:
        raise LogDownloadError(f"What answers at {source.address} sent no checkpoint of a log.") from error
    said = read_notes([reply.checkpoint, *reply.cosigned], where=f"{source.address}, checkpoint")
    return LogMaterial(entries=entries, heads=None, checkpoints=said)


def _entries(stub: coop_pb2_grpc.CoopStub, size: int) -> Iterator[bytes]:
    first = 0
    while first < size:
        asked = coop_pb2.EntriesRequest(first=first, count=size - first)
        reply = stub.GetEntries(asked, timeout=_TIMEOUT_SECONDS)
        if not reply.entries or any(
            len(entry) > ENTRY_LIMIT_BYTES or b"\n" in entry for entry in reply.entries
        ):
            return  # what is missing is for the verifier to tell
        yield from reply.entries[: size - first]
        first += len(reply.entries)


def _size(note: SignedNote) -> int:
    size = Checkpoint.from_text(note.text).size
    if size > _ENTRIES_LIMIT:
        raise SignedNoteError("A log says that it is larger than any log of ours.")
    return size


def _status(error: grpc.RpcError) -> str:
    code = getattr(error, "code", None)
    return code().name.lower().replace("_", " ") if callable(code) else "no answer"
