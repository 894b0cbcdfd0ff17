"""Logs without personal data and secrets: what is not on the list of harmless fields is left out.

Both kinds of loggers end here, structlog's and the standard library's. Fields are allowed by name (a
forgotten one is dropped, not shown), their values are short plain ones, and texts lose what looks like a
code, a key or an address.
"""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["configure_logs", "drop_private"]

#: Fields that hold counts, ids of rounds and members, and closed lists of reasons; nothing of customers.
_OWN = {"event", "level", "logger", "timestamp"}
_IDS = {"member_id", "programme_id", "round", "phase", "release", "number", "attempt", "version", "port"}
_COUNTS = {"count", "seconds", "bytes", "stores", "members", "contributors"}
_HARMLESS = _OWN | _IDS | _COUNTS | {"reason", "refusal", "state"}
_PRIVATE_TEXT = re.compile(
    r"-----BEGIN.*?(?:-----END[^-]*-----|\Z)"  # keys and certificates
    r"|[^\s@]+@[^\s@]+\.[^\s@]+"  # e-mail addresses
    r"|(?:[0-9A-Za-z]{8}-){3,}[0-9A-Za-z]*"  # invitation codes
    r"|\b[0-9a-fA-F]{40,}\b",  # hashes, secrets, keys in hex
    re.DOTALL,
)
_TEXT_LIMIT = 300


def drop_private(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Keep harmless fields with short plain values; say how many others were dropped.

    >>> drop_private(None, "info", {"event": "sent to a@b.org", "customer": "12", "round": 3})
    {'event': 'sent to [left out]', 'round': 3, 'dropped': 1}
    """
    kept: EventDict = {key: value for key, value in event.items() if key.startswith("_")}
    for key, value in event.items():
        if key in _HARMLESS and isinstance(value, str | int | float | bool):
            kept[key] = _without_private_text(value) if isinstance(value, str) else value
    dropped = len(event) - len(kept)
    if isinstance(event.get("exc_info"), tuple):
        kept.update(_where(event["exc_info"]))
    return {**kept, "dropped": dropped} if dropped else kept


def configure_logs(file: Path | None = None, *, level: int = logging.INFO) -> None:
    """Send every log line of this process to a file of mode 0600, or to standard error.

    Args:
        file: appended to; its folder must exist.
        level: least level that is written.
    """
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if file is not None:
        file.touch(mode=0o600, exist_ok=True)
    handler = logging.FileHandler(file) if file is not None else logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                drop_private,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "logger", "event"]),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _where(failure: tuple[object, ...]) -> EventDict:
    """Name an exception's type and place; its text and its frames' values could hold anything."""
    kind, _, trace = failure
    place = traceback.extract_tb(trace)[-1:] if isinstance(trace, TracebackType) else []
    found: EventDict = {"error": getattr(kind, "__name__", "unknown")}
    return {**found, "where": f"{Path(place[0].filename).name}:{place[0].lineno}"} if place else found


def _without_private_text(text: str) -> str:
    return _PRIVATE_TEXT.sub("[left out]", text[: _TEXT_LIMIT * 4])[:_TEXT_LIMIT]
