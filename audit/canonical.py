"""Canonical JSON: one value has one sequence of bytes, so that it can be hashed and signed."""

from __future__ import annotations

import json

from highstreet.audit.errors import UnreadableDocumentError

__all__ = ["Json", "canonical_json", "read_canonical"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def canonical_json(value: object) -> bytes:
    r"""Return the UTF-8 bytes of a value: keys sorted, no white space, shortest floats, nothing infinite.

    >>> canonical_json({"b": 1.0, "a": ["é", None]})
    b'{"a":["\xc3\xa9",null],"b":1.0}'

    Raises:
        ValueError: NaN or infinity.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def read_canonical(document: bytes, *, limit_bytes: int) -> dict[str, Json]:
    """Read an object from canonical bytes; any other spelling of it (order, spaces, doubled keys) is refused.

    Raises:
        UnreadableDocumentError: too large, not JSON, not an object, or not canonical.
    """
    if len(document) > limit_bytes:
        raise UnreadableDocumentError(
            f"The document has {len(document)} bytes, over the {limit_bytes} allowed."
        )
    try:
        value = json.loads(document)
        canonical = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise UnreadableDocumentError("The document is not valid JSON.") from error
    if not isinstance(value, dict) or canonical != document:
        raise UnreadableDocumentError("The document is not an object in canonical JSON.")
    return value
