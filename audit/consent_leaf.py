"""Leaves of the consent log: what stands in the log's tree for an event that may be erased one day."""

from __future__ import annotations

import hashlib

from highstreet.audit.commitments import commit
from highstreet.audit.consent import ConsentEvent

__all__ = ["consent_leaf", "event_commitment"]

_DOMAIN = "highstreet/consent-event/v1"
_LEAF = b"\x00"


def event_commitment(event: ConsentEvent, salt: bytes) -> bytes:
    """Return the commitment to an event: 32 bytes that say nothing of it once the salt is destroyed.

    Raises:
        ValueError: the salt is not of 32 bytes.
    """
    return commit(salt, event.canonical(), domain=_DOMAIN)


def consent_leaf(event: ConsentEvent, salt: bytes) -> bytes:
    """Return the leaf hash: SHA-256 over 0x00 and the commitment.

    Source: RFC 9162, section 2.1.1, with the commitment as the leaf's data.

    Raises:
        ValueError: the salt is not of 32 bytes.
    """
    return hashlib.sha256(_LEAF + event_commitment(event, salt)).digest()
