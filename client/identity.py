"""The store's keys: made here, kept here, readable by the owner alone. Only public halves ever leave.

Four keys for four jobs: P-256 for TLS, Ed25519 for signing what the store says, X25519 for what other members
encrypt to it, P-256 for its Flower node (in the OpenSSH form that flower-supernode reads). Keeping them apart
means that the node process, which only carries sealed bytes, never holds a key that signs or opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from highstreet.audit.roster import Member
from highstreet.client.errors import NotJoinedError, StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.files import make_private_folder, read_limited, write_private

__all__ = ["Identity", "load_identity", "load_or_make_identity", "node_key_file"]

_KEY_LIMIT_BYTES = 16 << 10
_PEM = serialization.Encoding.PEM
_PLAIN = serialization.NoEncryption()


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """The store's four private keys."""

    tls: ec.EllipticCurvePrivateKey
    signing: Ed25519PrivateKey
    encryption: X25519PrivateKey
    node: ec.EllipticCurvePrivateKey

    @property
    def signing_public_key(self) -> bytes:
        """Raw Ed25519 public key, 32 bytes."""
        return self.signing.public_key().public_bytes_raw()

    @property
    def encryption_public_key(self) -> bytes:
        """Raw X25519 public key, 32 bytes."""
        return self.encryption.public_key().public_bytes_raw()

    def is_named_by(self, entry: Member) -> bool:
        """Say whether a roster's entry holds this store's own keys."""
        own = (self.signing_public_key, self.encryption_public_key)
        return own == (entry.signing_public_key, entry.encryption_public_key)

    @property
    def node_public_key(self) -> bytes:
        """Public key of the Flower node in OpenSSH form."""
        return self.node.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )

    @property
    def tls_key_pem(self) -> bytes:
        """Private key for TLS, as gRPC takes it."""
        return _private_pem(self.tls)

    def certificate_request(self) -> bytes:
        """Return a PKCS #10 request (DER) for the TLS key. The coordinator gives it a name."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        request = builder.sign(self.tls, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.DER)


def node_key_file(home: StoreHome) -> Path:
    """Return the file to give to `flower-supernode --auth-supernode-private-key`."""
    return home.keys / "node.key"


def load_or_make_identity(home: StoreHome) -> Identity:
    """Return the store's keys, making those that are not there yet; existing ones are never replaced."""
    make_private_folder(home.keys)
    made = Identity(
        tls=ec.generate_private_key(ec.SECP256R1()),
        signing=Ed25519PrivateKey.generate(),
        encryption=X25519PrivateKey.generate(),
        node=ec.generate_private_key(ec.SECP256R1()),
    )
    forms = {
        home.keys / "tls.key": made.tls_key_pem,
        home.keys / "signing.key": _private_pem(made.signing),
        home.keys / "encryption.key": _private_pem(made.encryption),
        node_key_file(home): made.node.private_bytes(_PEM, serialization.PrivateFormat.OpenSSH, _PLAIN),
    }
    with held(home.keys / "keys.lock"):  # else two commands at one moment give away keys that do not stay
        for path, data in forms.items():
            if not path.exists():
                write_private(path, data)
    return load_identity(home)


def load_identity(home: StoreHome) -> Identity:
    """Read the store's keys.

    A folder made before stores had an encryption key gets one here; the keys it has stay.

    Raises:
        FileAccessError: a key is missing or unreadable.
        NotJoinedError: the keys were deleted by leaving the co-op, which was cut off then.
        StoreConfigError: a file is not the key it should be.
    """
    if home.leaving.exists() and not (home.keys / "tls.key").exists():
        raise NotJoinedError(
            "Leaving the co-op was cut off: this store's keys are deleted, and its papers not put away yet.",
            next_step="Finish it: `highstreet store leave`.",
        )
    _add_encryption_key(home)
    tls = _load(home.keys / "tls.key")
    signing = _load(home.keys / "signing.key")
    encryption = _load(home.keys / "encryption.key")
    node = _load(node_key_file(home))
    if (
        isinstance(tls, ec.EllipticCurvePrivateKey)
        and isinstance(signing, Ed25519PrivateKey)
        and isinstance(encryption, X25519PrivateKey)
        and isinstance(node, ec.EllipticCurvePrivateKey)
    ):
        return Identity(tls=tls, signing=signing, encryption=encryption, node=node)
    raise StoreConfigError(
        f"A key in {home.keys} is of the wrong kind.", next_step="Restore it from a backup."
    )


def _add_encryption_key(home: StoreHome) -> None:
    path = home.keys / "encryption.key"
    if path.exists() or not (home.keys / "signing.key").exists():
        return
    with held(home.keys / "keys.lock"):
        if not path.exists():
            write_private(path, _private_pem(X25519PrivateKey.generate()))


def _private_pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _PLAIN)


def _load(path: Path) -> object:
    data = read_limited(path, limit_bytes=_KEY_LIMIT_BYTES)
    try:
        if b"OPENSSH PRIVATE KEY" in data:
            return serialization.load_ssh_private_key(data, password=None)
        return serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise StoreConfigError(
            f"{path} is damaged.", next_step="Restore it from a backup, or leave and join the co-op anew."
        ) from error
