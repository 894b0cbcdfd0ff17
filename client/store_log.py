"""The store's log: what it spent, what left it and what it took into use, written before anything leaves.

It is the log of one membership: it carries the member's id, is signed by the keys made for it, and goes where
its papers go. Nobody is given its entries; the coordinator, as its witness, sees sizes, roots and hashes. So
when an entry is written, and how many, follows from requests and from the owner's acts, never from customers.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import store_origin
from highstreet.audit.errors import InconsistentConsentLogError
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.witness_book import WitnessBook
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.consent import ConsentDesk
from highstreet.client.contradiction import refuse_contradicted
from highstreet.client.erasure_openings import ErasureOpenings
from highstreet.client.errors import ClientError, LedgerRewoundError, RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.ledger import Ledger
from highstreet.client.ledger_entries import LedgerEvent
from highstreet.client.membership import load_membership
from highstreet.client.releases import Release
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.vault import Vault
from highstreet.protos.rounds_pb2 import REFUSAL_RELEASE, RefusalCode

__all__ = ["StoreLog", "erasure_key"]

_DAY_SECONDS = 86_400
_EVENTS_AT_ONCE = 500
#: Trainings that a day may be noted of in one day; budgets allow far fewer.
_BEGUN_A_DAY = 64


class StoreLog:
    """The log of one store's membership, and its witnessing of the coordinator's; safe among threads.

    Args:
        home: of a store that has joined.
        clock: seconds since 1970.

    Raises:
        NotJoinedError: it is in no co-op.
        LogError, FileAccessError: (when opened) the log cannot be trusted or used.
    """

    def __init__(self, home: StoreHome, *, clock: Callable[[], float] = time.time) -> None:
        membership, key = load_membership(home), load_identity(home).signing
        origin = store_origin(membership.coop_id, membership.member_id)
        owner = LogOwner(
            origin=origin, role="store", coop_id=membership.coop_id, member_id=membership.member_id
        )
        self._home = home
        self.clock = clock
        #: Held by whoever exchanges cosignatures with the coordinator: the watch, or who waits for a release.
        self.exchanging = threading.Lock()
        self.book = LogBook(home.log, owner=owner, private_key=key, mark=home.log_mark, clock=clock)
        self.witness = WitnessBook(home.witness, name=origin, private_key=key, clock=clock)
        self._settled = 0
        self._begun_on, self._begun = 0, 0
        self._is_compared = False

    def answering(
        self, answer: Callable[[bytes], RoundAnswer], ledger: Ledger
    ) -> Callable[[bytes], RoundAnswer]:
        """Return the same answering function, which writes what it cost and what leaves into the log first.

        Raises:
            WitnessConflictError: (when answering) the coordinator contradicts itself, and the owner has not
                looked yet (`client.contradiction`); nothing is computed.
            LogError, FileAccessError: (when answering) it could not be written; so nothing is returned.
        """

        def answer_and_log(body: bytes) -> RoundAnswer:
            refuse_contradicted(self._home)
            given = answer(body)
            self.settle(ledger)
            if given.attested is not None:
                self._note_consent(given, given.attested)
                self._note_erasures(given, given.attested)
            self._note_answer(given)
            return given

        return answer_and_log

    def noting_days(self, holds: Callable[[str, int], bool]) -> Callable[[str, int], bool]:
        """Return the same question about a programme's day, which writes a yes into the log.

        A coordinator can name another programme in each request, and the log keeps every entry. So there are
        so many in a day and no more.

        Raises:
            RoundRefusedError: (when asked) RELEASE, more programmes were begun today than are noted.
            LogError, FileAccessError: (when asked) it could not be written.
        """

        def holds_and_log(programme_id: str, day: int) -> bool:
            key = f"run/{programme_id}/begun/{day}"
            is_new = bool(self.book.missing([key]))
            if is_new:
                self._refuse_many_begun()
            is_its_day = holds(programme_id, day)
            if is_its_day and is_new:
                body = {**_round(programme_id, 0, "", "begun"), "day": day}
                self.book.append(EntryKind.ROUND, key, body)
                self._begun += 1
            return is_its_day

        return holds_and_log

    def _refuse_many_begun(self) -> None:
        today = int(self.clock()) // _DAY_SECONDS
        if today != self._begun_on:
            self._begun_on, self._begun = today, 0
        if self._begun >= _BEGUN_A_DAY:
            raise RoundRefusedError(REFUSAL_RELEASE, "too many trainings were begun today")

    def settle(self, ledger: Ledger) -> None:
        """Write every event of the ledger that is not in the log yet; each is written once.

        Raises:
            LedgerRewoundError: the log has an event that the ledger does not know; nothing was written.
            LogError, FileAccessError, LedgerError: it could not be read or written.
        """
        if not self._is_compared:
            self._refuse_rewound(ledger)
            self._is_compared = True
        while found := ledger.events_after(self._settled, limit=_EVENTS_AT_ONCE):
            self.book.append_all([_spend(event) for event in found])
            self._settled = found[-1].sequence

    def _refuse_rewound(self, ledger: Ledger) -> None:
        """Refuse a ledger that was lost or put back with its mark: the log says that more was spent.

        An event is in the ledger before it is in the log, and a restoration ends the membership and this log.
        """
        known, after = set[str](), 0
        while found := ledger.events_after(after, limit=_EVENTS_AT_ONCE):
            known |= {_spend(event).key for event in found}
            after = found[-1].sequence
        if not known.issuperset(self._spends()):
            raise LedgerRewoundError(
                "The ledger does not know of what this shop's log says was spent. Nothing is sent.",
                next_step="Put the newest copy of the shop's folder back. If there is none, say "
                "`highstreet store restored`, which leaves the co-op and keeps this shop out of rounds until "
                "the period of the budget is over.",
            )

    def _spends(self) -> Iterator[str]:
        for first in range(0, self.book.refresh(), _EVENTS_AT_ONCE):
            for document in self.book.entries(first, _EVENTS_AT_ONCE):
                draft = LogEntry.from_document(document).draft
                if draft.kind is EntryKind.SPEND:
                    yield draft.key

    def note_release(self, release: Release) -> None:
        """Write that a release was taken into use."""
        manifest = release.manifest
        body: dict[str, Json] = {
            "step": "in_use",
            "number": manifest.number,
            "programme_id": manifest.programme_id,
            "manifest_sha256": manifest.sha256(),
            "model_sha256": manifest.model_sha256,
        }
        key = f"release/{manifest.number}/{manifest.sha256()[:16]}/in-use"
        self.book.append(EntryKind.RELEASE, key, body)

    def note_consent_root(self, *, position: int, root: bytes, changes: int, occasion: str) -> None:
        """Write the head of the consent log as of now.

        Args:
            position: number of its events.
            root: its Merkle root, 32 bytes.
            changes: how often something changed that does not show in the root.
            occasion: names what it is written for, such as a round: written once for each. Never a person's
                act: when the coordinator sees this log grow must not tell of one.
        """
        body: dict[str, Json] = {"position": position, "root": root.hex(), "changes": changes}
        self.book.append(EntryKind.CONSENT_ROOT, f"consent/{occasion}", body)

    def _note_consent(self, given: RoundAnswer, about: AttestedName) -> None:
        """Write the consent log's head once for every round, list and table, and what was attested of it.

        Of refused ones the head is that of now, once a day: a coordinator can ask for what is refused as
        often as it likes. None where the consent log cannot be relied on, when all are refused.
        """
        name = about.key
        if given.is_refused:
            key = f"refused/{int(self.clock()) // _DAY_SECONDS}"
            if self.book.missing([f"consent/{key}"]):
                with (
                    suppress(InconsistentConsentLogError, ClientError),
                    Vault.open(self._home.vault) as vault,
                ):
                    head = ConsentDesk(vault).root()
                    self.note_consent_root(
                        position=head.position, root=head.root, changes=head.changes, occasion=key
                    )
            return
        attested = given.attestation_sha256
        if attested is None or not self.book.missing([f"attestation/{name}"]):
            return
        basis = AttestationBook(self._home).find(about).basis
        self.note_consent_root(
            position=basis.position, root=basis.root, changes=basis.changes, occasion=f"round/{name}"
        )
        body: dict[str, Json] = {
            "programme_id": given.programme_id,
            "round": given.round,
            "attestation_sha256": attested.hex(),
        }
        self.book.append(EntryKind.ATTESTATION, f"attestation/{name}", body)

    def _note_erasures(self, given: RoundAnswer, about: AttestedName) -> None:
        """Bind the erasures since the last contribution, none as well as many; once for each."""
        if given.is_refused or given.attestation_sha256 is None:
            return
        occasion = f"round/{about.key}"
        key = erasure_key(occasion)
        if self.book.missing([key]):
            opening = ErasureOpenings(self._home).for_occasion(occasion)
            self.book.append(EntryKind.ERASURE, key, {"commitment": opening.commitment().hex()})

    def _note_answer(self, given: RoundAnswer) -> None:
        """Write what leaves; of refusals the first of a kind in a day: they hold nothing but their reason."""
        if given.is_refused:
            why = _reason(given)
            about = _round(None, 0, "", "refused")
            day = int(self.clock()) // _DAY_SECONDS
            key = f"refused/{day}/{why.lower()}"
            if self.book.missing([key]):
                self.book.append(EntryKind.ROUND, key, {**about, "what": why})
            return
        sha256 = hashlib.sha256(given.body).hexdigest()
        about = _round(given.programme_id or None, given.round, given.phase, "sent")
        what = None if given.step is None else given.step.value
        body = {**about, "what": what, "document_sha256": sha256}
        self.book.append(EntryKind.ROUND, f"sent/{sha256}", body)


def erasure_key(occasion: str) -> str:
    """Return the key of the entry that binds the erasures since the occasion before."""
    return f"erasure/{occasion}"


def _round(programme_id: str | None, number: int, phase: str, step: str) -> dict[str, Json]:
    return {"run": None, "programme_id": programme_id, "round": number, "phase": phase, "step": step}


def _reason(given: RoundAnswer) -> str:
    if given.refusal is not None:
        return RefusalCode.Name(given.refusal)
    return f"SUM_{given.sum_refusal.name}" if given.sum_refusal is not None else "UNKNOWN"


def _spend(event: LedgerEvent) -> EntryDraft:
    body: dict[str, Json] = {
        "event": event.event,
        "sequence": event.sequence,
        "chain": event.chain.hex(),
        "programme_id": event.programme_id,
        "phase": event.phase,
        "request_sha256": None if event.request_sha256 is None else event.request_sha256.hex(),
        "day": event.day,
        "noise_multiplier": event.noise_multiplier,
        "sampling_rate": event.sampling_rate,
    }
    key = f"ledger/{event.sequence}/{event.chain.hex()[:32]}"
    return EntryDraft(kind=EntryKind.SPEND, key=key, body=body)
