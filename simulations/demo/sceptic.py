"""What a sceptic would try on the running co-op, each with what ought to happen and what did."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from highstreet.audit.signing import SignedDocument
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.releases import accept_release
from highstreet.errors import HighstreetError
from highstreet.simulations.report.record import Check

__all__ = ["answers_plaintext", "attempt", "tampered_releases"]

_TIMEOUT_SECONDS = 5.0
#: The first bytes of an HTTP/2 connection (RFC 9113, section 3.4) with an empty SETTINGS: gRPC in clear.
_PLAIN_GRPC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS_FRAME = 4
_ANY_SIZE = 256 << 20


def attempt(title: str, expected: str, trial: Callable[[], tuple[bool, str]]) -> Check:
    """Try one thing; a trial that fails in another way than foreseen did not hold.

    Args:
        title: what is tried.
        expected: what ought to happen.
        trial: returns whether it did, and what happened in words.
    """
    try:
        passed, happened = trial()
    except (HighstreetError, OSError) as error:
        passed, happened = False, str(error)
    return Check(title=title, expected=expected, happened=happened, passed=passed)


def answers_plaintext(port: int) -> bool:
    """Return whether a port of this machine speaks gRPC without TLS.

    Raises:
        OSError: nobody listens there.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(_PLAIN_GRPC)
            answer = connection.recv(64)
        except (ConnectionError, TimeoutError):
            return False
    return len(answer) >= 9 and answer[3] == _SETTINGS_FRAME


def tampered_releases(store: Path, scratch: Path) -> list[Check]:
    """Hand three false releases to a store's own check, on a copy of what the store knows of its co-op.

    Args:
        store: the folder of a store that has a release.
        scratch: where the copy is made; it is removed.
    """
    folder = max(path for path in (store / "releases").iterdir() if path.is_dir())
    signed = SignedDocument.from_file_bytes((folder / "manifest.json").read_bytes())
    model = (folder / "model.safetensors").read_bytes()
    flipped = model[:-1] + bytes([model[-1] ^ 1])
    rosy = replace(signed, document=signed.document.replace(b'"rounds":', b'"rounds":1', 1))

    def trial(document: SignedDocument, content: bytes, *, is_new: bool) -> Callable[[], tuple[bool, str]]:
        def run() -> tuple[bool, str]:
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(store / "coop", scratch / "coop")
            if not is_new:
                shutil.copytree(store / "releases", scratch / "releases")
            try:
                accept_release(StoreHome(scratch), document, content, max_state_bytes=_ANY_SIZE)
            except ReleaseRefusedError as error:
                return True, error.what
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            return False, "it was accepted"

        return run

    return [
        attempt("A release whose model has one bit changed", "refused", trial(signed, flipped, is_new=True)),
        attempt("A release whose manifest was edited", "refused", trial(rosy, model, is_new=True)),
        attempt("The same release once more, as if new", "refused", trial(signed, model, is_new=False)),
        _control(trial(signed, model, is_new=True)),
    ]


def _control(run: Callable[[], tuple[bool, str]]) -> Check:
    """The untouched release must pass, or the refusals above say nothing."""

    def turned() -> tuple[bool, str]:
        refused, words = run()
        return not refused, words

    return attempt("The untouched release, as a control", "accepted", turned)
