"""Founding a co-op: its folder with keys, certificates, charter and database, whole or not at all."""

from __future__ import annotations

import datetime
import secrets
import shutil
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.bias_rules import BiasLimits, refuse_odd_limits, refuse_unmeasured, usual_rules
from highstreet.audit.charter import (
    COOP_LEARNING,
    MATCHING,
    Charter,
    CoopIdentity,
    MatchingTerms,
    PrivacyTerms,
    RoundTerms,
)
from highstreet.audit.charter_format import from_toml, to_toml
from highstreet.audit.claims import check_promise
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.sums import refuse_impossible_sums
from highstreet.files import access_error, make_private_folder, read_limited, sync_folder, write_private
from highstreet.models.programme import measured_parts
from highstreet.privacy.releases import NoisePlacement, PrivacyUnit, Weighting
from highstreet.server.database import connect
from highstreet.server.errors import CoopExistsError, SettingsError
from highstreet.server.home import CoopHome, Ports, ServerConfig
from highstreet.server.membership import current_members
from highstreet.server.pki import Authority, key_pem, needs_renewal, pem

__all__ = [
    "Founding",
    "config_toml",
    "default_charter",
    "ensure_server_certificate",
    "found_coop",
    "read_charter_file",
    "refuse_taken",
    "resign_charter",
]

_CHARTER_LIMIT_BYTES = 1 << 20
#: Last days kept out of the training, for the private evaluation that ends a programme.
_HOLDOUT_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What a coordinator decides when making a co-op.

    Attributes:
        charter: what members will agree to.
        host: name or address under which stores reach this machine.
        listen: address the services listen on.
        base_port: first of five ports in a row.
    """

    charter: Charter
    host: str
    listen: str
    base_port: int


def default_charter(  # noqa: PLR0913  # each is a term of a charter
    name: str,
    *,
    epsilon: float,
    delta: float,
    today: datetime.date,
    floor: int | None = None,
    shops_per_person: int | None = None,
    matching: MatchingTerms | None = None,
    trainings: int = 1,
    measured: Collection[str] = (),
) -> Charter:
    """Return a charter with the default programme, its noise set so that a period costs just under epsilon.

    The programme ends with a private evaluation, so that a release says how good it is; that is paid for too.
    The noise is added once, in the sum: so much that any `floor` stores, less the colluders, make all of it.

    Args:
        name: what people call the co-op.
        epsilon: what a period's trainings together may cost whoever is protected, at most.
        delta: goes with epsilon.
        today: the day the co-op is made.
        floor: fewest stores in a sum; the default of RoundTerms when None.
        shops_per_person: protect a person in up to so many shops, each contribution divided by that; when
            None, a customer of one shop.
        matching: let shops count a person's shops in this way, and divide contributions by the count instead;
            only together with `shops_per_person`.
        trainings: how many trainings share epsilon in a period.
        measured: parts of a bias phase (`models.bias_rows.PARTS`), each with its usual rules; none for no
            such phase and no rules.

    Raises:
        CharterError: the floor does not go with the colluders, sums over so many stores cannot be taken, or
            no matching can be held.
        SettingsError: a matching without persons to promise to.
    """
    if matching is not None and shops_per_person is None:
        raise SettingsError(
            "Customers are matched to make a promise to persons.",
            next_step="Say in up to how many shops a person is protected: --person SHOPS.",
        )
    # Imported here: it brings the models, which nothing else in this file needs.
    from highstreet.audit.drafting import draft_plan

    privacy = PrivacyTerms(epsilon=epsilon, delta=delta, noise=NoisePlacement.ONCE_IN_SUM)
    if shops_per_person is not None:
        privacy = replace(
            privacy,
            privacy_unit=PrivacyUnit.PERSON,
            weighting=Weighting.ONE_OVER_MOST if matching is None else Weighting.ONE_OVER_SHOPS,
            shops_per_person=shops_per_person,
        )
    charter = Charter(
        coop=CoopIdentity(id=secrets.token_hex(16), name=name, created=today.isoformat()),
        purposes=(COOP_LEARNING,) if matching is None else (COOP_LEARNING, MATCHING),
        plan=draft_plan(
            epsilon=epsilon,
            delta=delta,
            weighting=privacy.weighting,
            shops_per_person=privacy.shops_per_person,
            trainings=trainings,
            params={"holdout_days": _HOLDOUT_DAYS},
            measured=measured,
        ),
        privacy=privacy,
        rounds=RoundTerms() if floor is None else RoundTerms(cohort_floor=floor),
        bias_limits=BiasLimits(rules=usual_rules(measured)),
        matching=matching,
    )
    _refuse_unfit(charter)
    return charter


def read_charter_file(path: Path) -> Charter:
    """Read and check an edited charter: its TOML, its values, and that its phases keep its promise.

    Raises:
        CharterError: not valid, promising too little noise (EpsilonClaimError), or with a phase that cannot
            be summed.
        FileAccessError: it cannot be read.
    """
    data = read_limited(path.expanduser(), limit_bytes=_CHARTER_LIMIT_BYTES)
    charter = from_toml(data.decode("utf-8", errors="replace"))
    _refuse_unfit(charter)
    return charter


def _refuse_unfit(charter: Charter) -> None:
    """Return only when a charter's phases keep its promise and can be summed."""
    check_promise(charter)
    refuse_impossible_sums(charter)
    refuse_odd_limits(charter.bias_limits)
    refuse_unmeasured(charter.bias_limits, measured_parts(charter.plan))
    if charter.matching is not None:
        # Only now: it unpacks a library on the disk.
        from highstreet.audit.matchings import fewest_participants, refuse_impossible_matching

        refuse_impossible_matching(charter, participants=fewest_participants(charter))


def found_coop(root: Path, founding: Founding, *, now: datetime.datetime) -> CoopHome:
    """Make a co-op's folder: built beside its place and moved there in one step when it is complete.

    Raises:
        CoopExistsError: there is a co-op, or something else, in that place.
        SettingsError: the host or the ports cannot be used.
        CharterError: see `read_charter_file`.
        FileAccessError: the disk is full or the place not writable; nothing was changed.
    """
    home = CoopHome(root.expanduser().absolute())
    refuse_taken(home)
    config = _config(founding)
    _refuse_unfit(founding.charter)
    building = CoopHome(home.root.with_name(f".{home.root.name}.being-made"))
    try:
        if building.root.exists():
            shutil.rmtree(building.root)  # what a founding that was interrupted left; nothing refers to it
        _fill(building, founding.charter, config, now=now)
        building.root.rename(home.root)
        sync_folder(home.root.parent)
    except OSError as error:
        raise access_error(home.root, error) from error
    finally:
        shutil.rmtree(building.root, ignore_errors=True)
    return home


def resign_charter(home: CoopHome, charter: Charter) -> None:
    """Put an edited charter in force, while nobody has agreed to another one.

    Raises:
        CharterError: see `read_charter_file`.
        SettingsError: it is another co-op's, or members have agreed to the present one.
    """
    _refuse_unfit(charter)
    if charter.coop.id != home.charter().coop.id:
        raise SettingsError(
            "This charter belongs to another co-op: its id differs.",
            next_step=f"Start from {home.charter_toml}.",
        )
    connection = connect(home.database)
    try:
        members = len(current_members(connection))
    finally:
        connection.close()
    if members:
        raise SettingsError(
            f"{members} members have agreed to the charter in force; it cannot be replaced under them.",
            next_step="Make a new co-op with the new charter and invite them to it.",
        )
    _write_charter(home, charter, home.coordinator_key())


def ensure_server_certificate(home: CoopHome, *, now: datetime.datetime) -> None:
    """Issue a fresh server certificate when the present one ends soon, is for another host or lacks its key.

    The authority stays the same, so members notice nothing.
    """
    host = home.config().host
    if not _is_usable(home, host, now=now):
        authority = Authority.from_pem(home.ca_certificate.read_bytes(), home.ca_key.read_bytes())
        _write_server_certificate(home, authority, host, now=now)


def _is_usable(home: CoopHome, host: str, *, now: datetime.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(home.server_certificate.read_bytes())
        key = serialization.load_pem_private_key(home.server_key.read_bytes(), password=None)
    except (OSError, ValueError):
        return False
    return key.public_key() == certificate.public_key() and not needs_renewal(certificate, host, now=now)


def refuse_taken(home: CoopHome) -> None:
    """Return only when a co-op can be made in this place.

    Raises:
        CoopExistsError: there is one, or something else.
    """
    if home.charter_json.exists():
        raise CoopExistsError(
            f"There is a co-op in {home.root} already; it was left as it is.",
            next_step="See it with `highstreet coop status`, or choose another place with --home.",
        )
    if home.root.exists() and (not home.root.is_dir() or any(home.root.iterdir())):
        raise CoopExistsError(
            f"{home.root} is not empty.", next_step="Choose another place with --home, or empty it."
        )


def _config(founding: Founding) -> ServerConfig:
    if not 1024 <= founding.base_port <= 65535 - len(Ports.model_fields):
        raise SettingsError(
            f"The base port {founding.base_port} leaves no room for five ports in a row.",
            next_step="Choose one from 1024 to 65000.",
        )
    return ServerConfig(host=founding.host, listen=founding.listen, ports=Ports.from_base(founding.base_port))


def _fill(home: CoopHome, charter: Charter, config: ServerConfig, *, now: datetime.datetime) -> None:
    make_private_folder(home.root)
    for folder in (home.keys, home.releases, home.superlink, home.logs, home.run):
        make_private_folder(folder)
    authority = Authority.create(charter.coop.name, now=now)
    write_private(home.ca_key, key_pem(authority.key))
    write_private(home.ca_certificate, pem(authority.certificate))
    _write_server_certificate(home, authority, config.host, now=now)
    coordinator = Ed25519PrivateKey.generate()
    write_private(
        home.coordinator_key_file,
        coordinator.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    write_private(home.config_file, config_toml(config).encode())
    try:
        connect(home.database, create=True).close()
    except sqlite3.Error as error:
        raise SettingsError(f"{home.database} could not be made.") from error
    _write_charter(home, charter, coordinator)


def _write_server_certificate(
    home: CoopHome, authority: Authority, host: str, *, now: datetime.datetime
) -> None:
    certificate, key = authority.issue_server(host, now=now)
    write_private(home.server_key, key_pem(key))
    write_private(home.server_certificate, pem(certificate) + pem(authority.certificate))


def _write_charter(home: CoopHome, charter: Charter, coordinator: Ed25519PrivateKey) -> None:
    signed = SignedDocument.create(SignatureKind.CHARTER, charter.to_dict(), coordinator)
    write_private(home.charter_toml, to_toml(charter).encode())
    write_private(home.charter_json, signed.to_file_bytes())


def config_toml(config: ServerConfig) -> str:
    """Write the settings for people, each with what it is for."""
    ports = config.ports
    return f"""# Where the coordinator is found. After a change, start `highstreet coop run` again; members
# know the old address, so keep it if you can.
host = "{config.host}"      # name or address stores use
listen = "{config.listen}"  # address the services listen on; 0.0.0.0 for every network card

[ports]
join = {ports.join}      # stores join here (gRPC over TLS)
members = {ports.members}   # members ask here (gRPC over mutual TLS)
fleet = {ports.fleet}     # members' Flower nodes (gRPC over TLS, node keys)
control = {ports.control}   # this machine only
runtime = {ports.runtime}   # this machine only
"""
