"""Security measures of a store as they are found on its disk just now: on or off, never assumed."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from highstreet.audit.charter import Charter
from highstreet.audit.errors import InconsistentConsentLogError
from highstreet.audit.log_files import ENTRIES
from highstreet.audit.processing_records import Measure, MeasureState
from highstreet.client.config import StoreConfig
from highstreet.client.consent import ConsentDesk
from highstreet.client.contradiction import contradictions
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.log_status import log_in_words
from highstreet.client.membership import ca_file
from highstreet.client.special_products import read_special_products
from highstreet.files import FileAccessError, is_private_folder, read_limited

__all__ = ["measures_of"]

_LIMIT_BYTES = 1 << 20


def measures_of(
    home: StoreHome, desk: ConsentDesk, config: StoreConfig, charter: Charter | None, *, now: datetime
) -> tuple[Measure, ...]:
    """Look at each measure.

    Args:
        home: the store's folder.
        desk: over its vault.
        config: its settings.
        charter: of its co-op, as signed and agreed to; None: it is in none.
        now: to compare certificates with.

    Raises:
        FileAccessError: the folder cannot be looked at.
    """
    of_a_coop = () if charter is None else (_sums(charter), _transport(home, now), _log(home))
    return (
        _folder(home),
        Measure(
            what="The disk is encrypted, and the computer locked when nobody is at it",
            state=MeasureState.NOT_KNOWN,
            found="Highstreet does not encrypt its files; the operating system may.",
        ),
        Measure(
            what="Backups are made, kept apart and encrypted",
            state=MeasureState.NOT_KNOWN,
            found=f"By store.toml a backup is around for {config.rights.backup_days:,} days at most.",
        ),
        _consent(desk),
        _special(home),
        _limits(config),
        *of_a_coop,
    )


def _measure(what: str, is_on: bool, found: str) -> Measure:
    return Measure(what=what, state=MeasureState.ON if is_on else MeasureState.OFF, found=found)


def _folder(home: StoreHome) -> Measure:
    is_on = is_private_folder(home.root)
    found = "The shop's folder lets in its owner alone." if is_on else "Other users can enter the folder."
    return _measure("All data lie in a folder that other users of the computer cannot enter", is_on, found)


def _consent(desk: ConsentDesk) -> Measure:
    what = "Data are used only by consent that stands, in a log that shows changes of the past"
    try:
        desk.root()
    except InconsistentConsentLogError as error:
        return _measure(what, False, f"{error.what} Nobody's data are used.")
    return _measure(what, True, "The log agrees with its head, which is kept apart from it.")


def _special(home: StoreHome) -> Measure:
    what = "Purchases of a sensitive kind are left out unless the customer said yes to that too"
    try:
        products = read_special_products(home.root)
    except StoreConfigError as error:
        return _measure(what, False, f"{error.what} No purchases are used.")
    return _measure(
        what, bool(products.phrases), f"Kinds on the list: {', '.join(sorted(products.phrases))}."
    )


def _limits(config: StoreConfig) -> Measure:
    limits = config.limits
    return _measure(
        "The shop's own limit on privacy loss, spent before anything is sent and never raised from outside",
        True,
        f"At most epsilon {limits.max_epsilon:g} at delta {limits.delta:g} in {limits.period_days:,} days.",
    )


def _sums(charter: Charter) -> Measure:
    return _measure(
        "Only sums over several shops are opened, with noise in them",
        True,
        f"By the signed charter: at least {charter.rounds.cohort_floor} shops, noise for up to "
        f"{charter.rounds.colluders} colluding members, epsilon {charter.privacy.epsilon:g} at delta "
        f"{charter.privacy.delta:g} in {charter.privacy.period_days:,} days.",
    )


def _transport(home: StoreHome, now: datetime) -> Measure:
    what = "Connections are encrypted (TLS 1.3) and accept the co-op's own authority only"
    try:
        data = read_limited(ca_file(home), limit_bytes=_LIMIT_BYTES)
        until = x509.load_pem_x509_certificate(data).not_valid_after_utc
    except (FileAccessError, ValueError):
        return _measure(what, False, "The authority's certificate cannot be read; nothing can connect.")
    return _measure(what, until > now, f"The authority's certificate ends on {until.date()}.")


def _log(home: StoreHome) -> Measure:
    what = "A signed log of what left and what it cost, cosigned by the coordinator"
    entries, conflicts = home.log / ENTRIES, bool(contradictions(home))
    is_on = entries.is_file() and entries.stat().st_size > 0 and not conflicts
    return _measure(what, is_on, f"{log_in_words(home)} `highstreet audit verify` checks every entry.")
