"""Erasure: a person is taken out of every file of the store, and a certificate says so; GDPR, Article 17.

In an order that a crash anywhere leaves in one of two states: the person is still there and their data are
used for nothing, or the vault knows them no more and its journal says what is left to do. The register comes
first, so that a vault put back from an older copy is refused. Then the vault, in one transaction. Then all
other files, by row keys that the journal keeps until they are done. At last every byte of every file is read
through for what the person was known by, which the journal keeps, encrypted, for as long.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from highstreet.audit.erasure_certificate import ErasureCertificate, person_commitment
from highstreet.audit.errors import InconsistentConsentLogError
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.byte_search import SHORTEST_BYTES, Searched, search_folder, searchable
from highstreet.client.config import read_config
from highstreet.client.consent_log import ConsentLog
from highstreet.client.erased_rows import erase_rows, known_by, not_known_otherwise
from highstreet.client.erasure_register import note_erasure, read_register
from highstreet.client.errors import ErasureIncompleteError
from highstreet.client.exposure import exposures_of
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.importing.importer import one_at_a_time
from highstreet.client.importing.staging import discard_leftovers
from highstreet.client.kept_values import (
    forget_unused,
    forget_values,
    keep_values,
    kept_values,
    new_key,
    unused_keys,
)
from highstreet.client.membership import is_joined, load_membership
from highstreet.client.personal_file import forget_model
from highstreet.client.rights_files import certificates_folder, remove_expired, remove_folders
from highstreet.client.rights_requests import (
    RequestKind,
    UnfinishedErasure,
    finish_erasure,
    folders_of,
    note_request,
    still_to_do,
    unfinished_erasures,
)
from highstreet.client.vault import Vault
from highstreet.files import access_error, sync_folder, write_private

__all__ = ["Erasure", "erase_again", "erase_customers", "erase_everybody", "finish_erasures"]

_SALT_BYTES = 32
_ID_BYTES = 16
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An erasure that is done.

    Attributes:
        certificate: as it was signed.
        file: where the shop keeps it.
        salt: opens the certificate's commitment to the person; for the person alone, and kept nowhere. Empty
            where it names nobody: several persons, or an erasure that was cut off and finished later.
    """

    certificate: SignedDocument
    file: Path
    salt: bytes = field(repr=False)


def erase_customers(home: StoreHome, customer_ids: Sequence[str], *, source: str, now: datetime) -> Erasure:
    """Erase one person from the whole store, by each number that the shop has for them.

    Args:
        home: the store's folder.
        customer_ids: the shop's own numbers of that one person, at least one.
        source: through whom it was asked for.
        now: the present moment, aware.

    Returns:
        The certificate, made only after every file was read through and none held what the person was known
        by.

    Raises:
        UnknownCustomerError: no such customer; nothing was changed.
        ImportBusyError: an import is under way; nothing was changed.
        VaultBusyError: another process reads or writes the vault and does not end; do it again.
        ErasureIncompleteError: something is left in a file; it is named, and no certificate was made.
        ClientError: a file could not be read or written; done again, it goes on where it was.
    """
    with Vault.open(home.vault) as vault, one_at_a_time(vault):
        customers = {vault.customer_key(customer_id): customer_id for customer_id in customer_ids}
        return _erase(home, vault, list(customers), people=1, source=source, now=now)


def erase_everybody(home: StoreHome, *, source: str, now: datetime) -> Erasure:
    """Erase every customer of the shop, with all that `erase_customers` does; products and papers stay.

    Raises: as `erase_customers`.
    """
    with Vault.open(home.vault) as vault, one_at_a_time(vault):
        with vault.read() as connection:
            customers = [key for (key,) in connection.execute("SELECT customer FROM customers")]
        return _erase(home, vault, customers, people=max(1, len(customers)), source=source, now=now)


def erase_again(home: StoreHome, *, now: datetime) -> int:
    """Erase whoever is in the vault though the register says they were erased; return how many they were.

    For a vault that was put back from an older copy; in one that is not, nobody is erased.

    Raises: as `erase_customers`.
    """
    with Vault.open(home.vault, to_erase_again=True) as vault, one_at_a_time(vault):
        register = read_register(home.root)
        with vault.write() as connection:
            known = {found for (found,) in connection.execute("SELECT erasure_id FROM rights_requests")}
            forgotten = [each for each in register.erasures if each.erasure_id not in known]
            digests = frozenset().union(*(each.digests for each in forgotten))
            back = (
                [
                    key
                    for key, customer_id in connection.execute("SELECT customer, customer_id FROM customers")
                    if register.digest(customer_id) in digests
                ]
                if digests
                else []
            )
        if back:
            _erase(home, vault, back, people=len(back), source="a vault put back", now=now)
        with vault.write() as connection:
            for each in forgotten:
                note_request(
                    connection,
                    RequestKind.ERASE,
                    None,
                    made_at=each.at,
                    source="",
                    erasure_id=each.erasure_id,
                )
        return len(back)


def finish_erasures(home: StoreHome, *, now: datetime, customer_ids: Sequence[str] = ()) -> list[Erasure]:
    """Finish erasures that were cut off after the vault forgot the person.

    Args:
        home: the store's folder.
        now: the present moment, aware.
        customer_ids: numbers of persons who may be among them, so that a certificate can name its person.

    Returns:
        Those that could be finished; one that could not stays in the journal.

    Raises: as `erase_customers`; ErasureIncompleteError if none could be finished.
    """
    with Vault.open(home.vault) as vault:
        with vault.read() as connection:
            unfinished = unfinished_erasures(connection)
        if not unfinished and not unused_keys(home, ()):
            return []
        with one_at_a_time(vault):
            return _finish(home, vault, now=now, customer_ids=customer_ids)


def _erase(
    home: StoreHome, vault: Vault, customers: Sequence[int], *, people: int, source: str, now: datetime
) -> Erasure:
    with suppress(ErasureIncompleteError):  # another person's, which stays unfinished
        _finish(home, vault, now=now)
    discard_leftovers(vault)
    largest = max(
        exposures_of(home, vault, customers, today=now.astimezone(UTC).date()),
        key=lambda exposure: exposure.epsilon,
        default=None,
    )
    moment, erasure_id = int(now.timestamp()), secrets.token_hex(_ID_BYTES)
    with vault.read() as connection:
        values = known_by(connection, customers)
        ids = dict(connection.execute("SELECT customer, customer_id FROM customers").fetchall())
        folders = folders_of(connection, customers)
    customer_ids = [ids[customer] for customer in customers]
    keep_seconds = read_config(home).rights.backup_days * _SECONDS_A_DAY
    note_erasure(home.root, customer_ids, erasure_id=erasure_id, now=moment, keep_seconds=keep_seconds)
    remove_folders(home, folders)
    key = new_key(home, erasure_id)
    with vault.write() as connection:
        removed = {
            **erase_rows(connection, ConsentLog(vault), customers),
            "copies made for them": len(folders),
        }
        values = not_known_otherwise(connection, values)
        note_request(
            connection,
            RequestKind.ERASE,
            None,
            made_at=moment,
            source=source,
            erasure_id=erasure_id,
            unfinished=still_to_do(
                customers,
                people=people,
                removed=removed,
                rounds=len(largest.rounds) if largest else 0,
                epsilon=largest.epsilon if largest else 0.0,
                epsilon_is_least=largest is not None and largest.is_least,
                counted_epsilon=largest.counted_epsilon if largest else 0.0,
                values=keep_values(key, erasure_id, values),
            ),
        )
    with suppress(InconsistentConsentLogError):  # nobody's data is used then; that keeps nobody from going
        ConsentLog(vault).settle()
    with vault.read() as connection:
        (pending,) = (each for each in unfinished_erasures(connection) if each.erasure_id == erasure_id)
    return _complete(home, vault, pending, person=customer_ids[:1], now=now)


def _finish(
    home: StoreHome, vault: Vault, *, now: datetime, customer_ids: Sequence[str] = ()
) -> list[Erasure]:
    with vault.read() as connection:
        unfinished = unfinished_erasures(connection)
    forget_unused(home, {pending.erasure_id for pending in unfinished})
    done, register, failed = [], read_register(home.root), None
    for pending in unfinished:
        digests = {
            one for each in register.erasures if each.erasure_id == pending.erasure_id for one in each.digests
        }
        named = [one for one in customer_ids if register.digest(one) in digests]
        try:
            done.append(_complete(home, vault, pending, person=named[:1], now=now))
        except ErasureIncompleteError as error:  # it stays in the journal, and keeps nobody else waiting
            failed = failed or error
    if failed and not done:
        raise failed
    return done


def _complete(
    home: StoreHome,
    vault: Vault,
    pending: UnfinishedErasure,
    *,
    person: Sequence[str],
    now: datetime,
) -> Erasure:
    """Do what is left of an erasure that has left the vault's tables, look for what is left, and certify."""
    names = frozenset(str(customer) for customer in pending.customers)
    matchings = _erase_from_matchings(home, vault, names)
    with vault.write():  # the lock under which a model is kept
        models = forget_model(home)
    vault.rewrite()
    remove_expired(home, vault, now=now)
    searched = search_folder(home.root, _to_look_for(home, vault, pending, person=person))
    if searched.found_in or searched.links:
        raise _incomplete(searched)
    _force_removals(home)
    removed = {**pending.removed, "matchings under way": matchings, "files of the shop's own model": models}
    certified = _certify(home, pending, searched, removed, person=person, now=now)
    with vault.write() as connection:
        finish_erasure(connection, pending.request)
    forget_values(home, pending.erasure_id)
    return certified


def _force_removals(home: StoreHome) -> None:
    """Let no power cut bring back a file that the certificate says is removed.

    Raises:
        FileAccessError: it cannot be forced to the disk; no certificate was made.
    """
    for folder in (home.root, home.rights, home.personal, home.coop):
        if folder.is_dir():
            try:
                sync_folder(folder)
            except OSError as error:
                raise access_error(folder, error) from error


def _to_look_for(
    home: StoreHome, vault: Vault, pending: UnfinishedErasure, *, person: Sequence[str]
) -> tuple[bytes, ...]:
    """Return what no row holds for somebody else meanwhile, of all that the person was known by."""
    kept = (
        _known_by_now(home, pending, person=person)
        if pending.values is None
        else kept_values(home, pending.erasure_id, pending.values)
    )
    with vault.write() as connection:
        left = searchable(not_known_otherwise(connection, kept))
    if kept and not left:
        raise ErasureIncompleteError(
            "All that an erased person was known by is in the shop's data again, so it cannot be looked for; "
            "no certificate was made.",
            next_step="Erase whoever has that number or address now, then: highstreet store rights finish",
        )
    return left


def _known_by_now(home: StoreHome, pending: UnfinishedErasure, *, person: Sequence[str]) -> list[str]:
    """Return what to look for where the journal kept nothing: the number that whoever finishes it gives.

    When the register has forgotten the person as well nobody can say that a number is theirs; the certificate
    then says that nothing was looked for.
    """
    is_remembered = any(each.erasure_id == pending.erasure_id for each in read_register(home.root).erasures)
    if is_remembered and not person:
        raise ErasureIncompleteError(
            "The version that erased a person did not keep what they were known by, so it cannot be looked "
            "for; no certificate was made.",
            next_step="Say who it was: highstreet store rights finish CUSTOMER",
        )
    return [each for each in person if len(each.encode()) >= SHORTEST_BYTES]


def _erase_from_matchings(home: StoreHome, vault: Vault, names: frozenset[str]) -> int:
    # Imported here: they bring a library that is unpacked on the disk.
    from highstreet.client.matching_state import MatchingState
    from highstreet.client.person_counts import PersonCounts

    if home.coop.is_dir():
        PersonCounts(home.person_counts, vault_id=vault.vault_id).erase(names)
    if not home.matching.exists():
        return 0
    with MatchingState.open(home.matching, vault_id=vault.vault_id) as state:
        return state.erase(names)


def _certify(
    home: StoreHome,
    pending: UnfinishedErasure,
    searched: Searched,
    removed: dict[str, int],
    *,
    person: Sequence[str],
    now: datetime,
) -> Erasure:
    signing = load_or_make_identity(home).signing
    membership = load_membership(home) if is_joined(home) else None
    moment, config = int(now.timestamp()), read_config(home)
    salt = secrets.token_bytes(_SALT_BYTES) if person and pending.people == 1 else b""
    document = ErasureCertificate(
        certificate_id=pending.erasure_id,
        shop_public_key=signing.public_key().public_bytes_raw().hex(),
        member_id=membership.member_id if membership else "",
        coop_id=membership.coop_id if membership else "",
        erased_at=moment,
        people=pending.people,
        person=person_commitment(salt, person[0]) if salt else "",
        removed={kind: count for kind, count in removed.items() if count},
        rounds=pending.rounds,
        epsilon=pending.epsilon,
        delta=config.limits.delta,
        epsilon_is_least=pending.epsilon_is_least,
        counted_epsilon=pending.counted_epsilon,
        period_days=config.limits.period_days,
        files_searched=searched.files,
        bytes_searched=searched.bytes,
        values_searched=searched.values,
        forgotten_until=moment + config.rights.backup_days * _SECONDS_A_DAY,
    )
    signed = SignedDocument.create(SignatureKind.ERASURE, document.to_dict(), signing)
    file = certificates_folder(home) / f"{pending.erasure_id}.json"
    write_private(file, signed.to_file_bytes())
    return Erasure(certificate=signed, file=file, salt=salt)


def _incomplete(searched: Searched) -> ErasureIncompleteError:
    if not searched.found_in:
        return ErasureIncompleteError(
            f"{', '.join(searched.links[:5])} in the store's folder leads elsewhere, where nothing was "
            "looked for; no certificate was made.",
            next_step="Move the link out of the store's folder. Then finish it: "
            "highstreet store rights finish CUSTOMER",
        )
    named = ", ".join(searched.found_in[:5])
    return ErasureIncompleteError(
        f"What the person was known by is still in {named}; no certificate was made.",
        next_step="If that is a file of your own, move it out of the store's folder. Then finish it: "
        "highstreet store rights finish CUSTOMER",
    )
