"""The coordinator's folder: where everything of one co-op lies, and its settings."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import from_document
from highstreet.audit.signing import SignatureKind, SignedDocument, public_key_bytes
from highstreet.files import read_limited
from highstreet.server.errors import NoCoopError, SettingsError

__all__ = ["CoopHome", "ServerConfig", "default_coop_home"]

_FILE_LIMIT_BYTES = 4 << 20


class Ports(BaseModel):
    """TCP ports. Stores reach the first three; the others answer on this machine only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    join: int = Field(default=9440, ge=1, le=65535)
    members: int = Field(default=9441, ge=1, le=65535)
    fleet: int = Field(default=9442, ge=1, le=65535)
    control: int = Field(default=9443, ge=1, le=65535)
    runtime: int = Field(default=9444, ge=1, le=65535)

    @model_validator(mode="after")
    def _all_different(self) -> Ports:
        if len(set(self.model_dump().values())) != len(type(self).model_fields):
            raise ValueError("the five ports must differ")
        return self

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Return five ports in a row from a first one."""
        names = tuple(cls.model_fields)
        return cls(**{name: base + offset for offset, name in enumerate(names)})


class ServerConfig(BaseModel):
    """The coordinator's settings (coop.toml). There is no seed here: noise and keys come from the system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    listen: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    ports: Ports = Field(default_factory=lambda: Ports.from_base(9440))

    @property
    def join_address(self) -> str:
        """Where stores join, as host:port."""
        return _address(self.host, self.ports.join)

    @property
    def member_address(self) -> str:
        """Where members ask for roster and releases, as host:port."""
        return _address(self.host, self.ports.members)

    @property
    def superlink_address(self) -> str:
        """Where stores' Flower nodes connect (Fleet API), as host:port."""
        return _address(self.host, self.ports.fleet)


def default_coop_home() -> Path:
    """Return HIGHSTREET_COOP_HOME, or ~/.highstreet/coop."""
    return Path(os.environ.get("HIGHSTREET_COOP_HOME") or Path.home() / ".highstreet" / "coop")


@dataclass(frozen=True, slots=True)
class CoopHome:
    """One co-op's folder. Everything in it is for its owner only (0700, 0600)."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> CoopHome:
        """Return the home of a finished co-op.

        Raises:
            NoCoopError: there is none.
        """
        home = cls(root.expanduser().absolute())
        if not home.charter_json.is_file():
            raise NoCoopError(
                f"There is no co-op in {home.root}.",
                next_step="Make one with `highstreet coop init`, or name its folder with --home.",
            )
        return home

    @property
    def config_file(self) -> Path:
        """Settings, written by `coop init`."""
        return self.root / "coop.toml"

    @property
    def charter_toml(self) -> Path:
        """The charter as people read and edit it."""
        return self.root / "charter.toml"

    @property
    def charter_json(self) -> Path:
        """The charter as it was signed. It is written last: its presence says the co-op is complete."""
        return self.root / "charter.json"

    @property
    def keys(self) -> Path:
        """Folder of keys and certificates."""
        return self.root / "keys"

    @property
    def ca_certificate(self) -> Path:
        """The co-op's own certificate authority, PEM; also the SuperLink's `--ssl-ca-certfile`."""
        return self.keys / "ca.pem"

    @property
    def ca_key(self) -> Path:
        """Private key of the certificate authority."""
        return self.keys / "ca.key"

    @property
    def server_certificate(self) -> Path:
        """The server's certificate with the authority's behind it, PEM; also the SuperLink's."""
        return self.keys / "server.pem"

    @property
    def server_key(self) -> Path:
        """Private key of the server certificate."""
        return self.keys / "server.key"

    @property
    def coordinator_key_file(self) -> Path:
        """Ed25519 key that signs charter, roster, requests and releases."""
        return self.keys / "coordinator.key"

    @property
    def database(self) -> Path:
        """coop.db; see `highstreet.server.database`."""
        return self.root / "coop.db"

    @property
    def releases(self) -> Path:
        """Folder of released models."""
        return self.root / "releases"

    @property
    def log(self) -> Path:
        """Folder of the coordinator's log (docs/log.md)."""
        return self.root / "log"

    @property
    def log_mark(self) -> Path:
        """The newest head of the log once more, apart from it."""
        return self.keys / "log.mark"

    @property
    def witness(self) -> Path:
        """Folder of the checkpoints of stores' logs that the coordinator cosigned."""
        return self.root / "witness"

    @property
    def superlink(self) -> Path:
        """Folder of the SuperLink's state and FLWR_HOME."""
        return self.root / "superlink"

    @property
    def logs(self) -> Path:
        """Folder of logs."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Folder of process ids and sockets."""
        return self.root / "run"

    def config(self) -> ServerConfig:
        """Read the settings.

        Raises:
            SettingsError: coop.toml is not valid.
        """
        return read_config(self.config_file)

    def coordinator_key(self) -> Ed25519PrivateKey:
        """Read the coordinator's signing key."""
        data = read_limited(self.coordinator_key_file, limit_bytes=_FILE_LIMIT_BYTES)
        key = load_pem_private_key(data, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise NoCoopError(f"{self.coordinator_key_file} is not the coordinator's key.")
        return key

    def signed_charter(self) -> SignedDocument:
        """Read the charter in force and check its signature."""
        data = read_limited(self.charter_json, limit_bytes=_FILE_LIMIT_BYTES)
        signed = SignedDocument.from_file_bytes(data)
        signed.verify(SignatureKind.CHARTER, public_key_bytes(self.coordinator_key()))
        return signed

    def charter(self) -> Charter:
        """Read the charter in force."""
        return from_document(self.signed_charter().document)


def read_config(path: Path) -> ServerConfig:
    """Read a coop.toml.

    Raises:
        SettingsError: it is not valid.
    """
    try:
        values = tomllib.loads(read_limited(path, limit_bytes=_FILE_LIMIT_BYTES).decode())
        return ServerConfig.model_validate(values)
    except (ValidationError, ValueError) as error:
        raise SettingsError(
            f"{path} is not valid: {first_problem(error)}.", next_step="Correct it."
        ) from error


def first_problem(error: ValueError) -> str:
    """Return the first thing a validation found wrong, as place and reason, without the value."""
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        return f"{place}: {problem['msg']}" if place else str(problem["msg"])
    return str(error)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
