"""Making an invitation for a shop: the co-op's address, its pins and a single-use secret in one code."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from highstreet.audit.invite import key_hash
from highstreet.audit.signing import public_key_bytes
from highstreet.files import read_limited
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.membership import record_invite

__all__ = ["invite_store"]

_LIMIT_BYTES = 64 << 10


def invite_store(home: CoopHome, name: str, *, hours: float) -> str:
    """Return the code with which one store can join under this name.

    Raises:
        InviteRefusedError: the name is not usable, or a member has it.
    """
    config = home.config()
    authority = x509.load_pem_x509_certificate(read_limited(home.ca_certificate, limit_bytes=_LIMIT_BYTES))
    with closing(connect(home.database)) as connection:
        invite = record_invite(
            connection,
            name=name,
            address=(config.host, config.ports.join),
            ca_sha256=hashlib.sha256(authority.public_bytes(Encoding.DER)).digest(),
            coordinator_key_hash=key_hash(public_key_bytes(home.coordinator_key())),
            now=int(time.time()),
            hours=hours,
        )
    return invite.code()
