"""The store as a shop in a matching: its list, its table, and the counts it reads off the sum.

List and table rest on customers. Each is made in memory from who agrees at that moment; shortly before it may
leave, consent is looked at once more, and what a no or a correction has ended since is thrown away, unseen by
anybody, and made anew without them. Then what opens its attestation is kept, then the sealed reply, and from
then on it counts as handed over: the same bytes leave whenever they are asked for.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence

from highstreet.audit.attestation import Attestation, AttestedRound, sign_attestation
from highstreet.audit.matchings import attested_list, influence_of
from highstreet.audit.requests import attested_round
from highstreet.audit.signing import SignedDocument
from highstreet.client.attested_names import AttestedName
from highstreet.client.errors import RoundRefusedError
from highstreet.client.matching_inputs import MatchingInputs
from highstreet.client.matching_records import MatchingBooks, UsedInMatching
from highstreet.client.matching_terms import AskedMatching, AskedTable
from highstreet.client.round_replies import ReplySeal
from highstreet.client.round_terms import Agreement
from highstreet.privacy.matching import (
    HolderKeys,
    IdentifierKind,
    MatchedStore,
    MatchingContext,
    MatchingStore,
    ReceiptsMissingError,
)
from highstreet.privacy.secure_sum import ReadSum, contribute
from highstreet.protos.matching_pb2 import SignedBlindedList
from highstreet.protos.rounds_pb2 import REFUSAL_MATCHING, MatchReply

__all__ = ["MatchingShop"]

_LOG = logging.getLogger("highstreet.rounds")


class MatchingShop:
    """One store's own part in matchings; what it does as a key holder is `MatchingDesk`'s.

    Args:
        agreement: what was accepted.
        seal: signs replies.
        books: what is kept of matchings.
    """

    def __init__(self, agreement: Agreement, *, seal: ReplySeal, books: MatchingBooks) -> None:
        self._agreement = agreement
        self._seal = seal
        self._books = books

    def blinded_list(self, matching: AskedMatching, keys: HolderKeys) -> bytes:
        """Return the sealed reply with this store's list; once it is kept, that one whatever is asked.

        A list that was drawn before a crash and not kept has not left: another is drawn in its place.
        """
        context, secrets, papers = matching.context, self._books.secrets, self._books.papers
        kept = papers.list(context.request_sha256)
        if kept is not None:
            return kept
        gone: frozenset[str] = frozenset()
        while True:
            secrets.forget_list(context)
            inputs = self._inputs(matching)
            agree = {one: each for one, each in inputs.by_customer.items() if one not in gone}
            store = secrets.draw_store(
                context, self._seal.member_id, agree, consent_position=inputs.basis.position
            )
            body = store.blinded_list(keys, self._seal.keys.signing)
            ended = self._ended(matching, store)
            if not ended:
                break
            gone |= ended  # not brought back into this list, whatever they say next: so it ends
        about = attested_list(
            matching.request,
            context.request_sha256,
            charter=self._agreement.charter,
            member_id=self._seal.member_id,
            list_sha256=hashlib.sha256(SignedBlindedList.FromString(body).list).digest(),
        )
        signed = self._attested(about, matching, store.customers, inputs)
        reply = self._seal.match(
            MatchReply(list=body),
            sha256=context.request_sha256,
            matching_id=matching.request.matching_id,
            attestation=signed,
        )
        return papers.keep_list(context.request_sha256, reply)

    def table(
        self, matching: AskedMatching, keys: HolderKeys, evaluations: Sequence[bytes], table: AskedTable
    ) -> bytes:
        """Return the sealed reply with this store's table, for the one sum that the matching has."""
        context, secrets = matching.context, self._books.secrets
        listed = self._listed(context)
        if secrets.matched(context) is None:
            made_tags = listed.match(keys, evaluations)
            listed = self._listed(context)  # that took a while: who was erased has no place now
            secrets.keep_matched(context, made_tags.without(made_tags.tags.keys() - set(listed.customers)))
        while True:
            inputs = self._inputs(matching)
            secrets.leave_out(context, inputs.changed(_by_customer(listed)))
            matched = secrets.give_table(context, table.sha256)
            made = contribute(
                table.context,
                matched.table(),
                member_id=self._seal.member_id,
                signing_key=self._seal.keys.signing,
            )
            if not self._ended(matching, listed) & matched.tags.keys():
                break
        about = attested_round(
            table.request,
            table.sha256,
            member_id=self._seal.member_id,
            contribution_sha256=made.header_sha256,
        )
        reply = self._seal.contribution(
            made.body,
            attestation=self._attested(about, matching, matched.tags.keys(), inputs),
            sha256=table.sha256,
            programme_id=table.request.programme_id,
            round_number=0,
        )
        return self._books.papers.keep_table(context.request_sha256, reply)

    def read(self, matching: AskedMatching, table: AskedTable, shown: ReadSum) -> None:
        """Read the counts off the sum and keep them; who does not agree any more has none."""
        secrets, context = self._books.secrets, matching.context
        matched = secrets.matched(context)
        if matched is None:
            raise RoundRefusedError(REFUSAL_MATCHING, "this store gave no table to it")
        listed = self._listed(context)
        self._keep(table.sha256, matched, shown, listed)
        self._books.counts.forget(self._inputs(matching).changed(_by_customer(listed)))

    def _keep(
        self, table_sha256: bytes, matched: MatchedStore, shown: ReadSum, listed: MatchingStore
    ) -> None:
        try:
            if self._seal.member_id not in shown.contributors:
                raise ReceiptsMissingError
            counts = matched.counts(shown.values, contributors=len(shown.contributors))
        except ReceiptsMissingError as error:
            _LOG.warning("%s", error.what)
            self._books.counts.refuse(table_sha256)
        else:
            self._books.counts.save(
                table_sha256,
                counts,
                _by_customer(listed),
                consent_position=self._books.secrets.consent_position(listed.context),
            )

    def _attested(
        self,
        about: AttestedRound,
        matching: AskedMatching,
        customers: Collection[str],
        inputs: MatchingInputs,
    ) -> SignedDocument:
        """Keep what opens the attestation of what is about to leave, and sign it."""
        participants = len(matching.request.participants)
        used = UsedInMatching(
            name=AttestedName(programme_id=about.programme_id, kind=about.kind),
            request_sha256=about.request_sha256,
            customers=customers,
            basis=inputs.basis,
            delta=float(influence_of(self._agreement.charter, participants=participants)),
        )
        use = self._books.attest(used)
        return sign_attestation(Attestation(round=about, use=use), self._seal.keys.signing)

    def _ended(self, matching: AskedMatching, listed: MatchingStore) -> frozenset[str]:
        """Return who of a list does not agree as it stands, shortly before something may leave."""
        self._books.approach()
        return self._inputs(matching).changed(_by_customer(listed))

    def _inputs(self, matching: AskedMatching) -> MatchingInputs:
        return self._books.inputs(IdentifierKind(matching.terms.identifier_kind))

    def _listed(self, context: MatchingContext) -> MatchingStore:
        store = self._books.secrets.store(context, self._seal.member_id)
        if store is None:
            raise RoundRefusedError(REFUSAL_MATCHING, "this store sent no list")
        return store


def _by_customer(listed: MatchingStore) -> Mapping[str, bytes]:
    return dict(zip(listed.customers, listed.inputs, strict=True))
