"""What a store attests of its rounds, through the real desk and till, and what its papers show."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from highstreet.audit.attestation import Attestation, open_attestation
from highstreet.audit.attestation_check import OpeningVerdict, check_membership, check_opening
from highstreet.audit.attestation_papers import AttestationOpening, MembershipProof, read_paper
from highstreet.audit.cohort_commitment import DEPTH
from highstreet.audit.consent import Act, ConsentState, Method, Purpose
from highstreet.audit.errors import AttestationError
from highstreet.audit.requests import attestation_in, attested_round, open_reply, request_sha256, sign_request
from highstreet.client import till as till_module
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attestation_papers import open_attested, prove_membership
from highstreet.client.attested_names import AttestedName, find_name
from highstreet.client.attested_use import CommittedRound
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_or_make_identity
from highstreet.client.ledger import Ledger
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.secure_sum import MemberKeys
from highstreet.protos.rounds_pb2 import RoundRequest
from highstreet.protos.secure_sum_pb2 import Contribution
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    IDS,
    LIMITS,
    ME,
    NOW,
    PLAN,
    ROSTER,
    contribute_message,
    member,
    round_request,
)

COOP = Purpose.COOP_LEARNING
SAID = How(method=Method.SPOKEN, source="till")
TODAY = date(2027, 1, 15)
PROGRAMMES = ("a1b2c3d4e5f60718", "b1b2c3d4e5f60718", "c1b2c3d4e5f60718")


def _first(programme: str) -> AttestedName:
    """The first round of a programme, as people name it."""
    return find_name(f"{programme}/1")


class Store:
    """A store with customers Ann, who agrees, and Ben; its desk is built anew for every message."""

    def __init__(self, home: StoreHome, vault: Vault) -> None:
        self.home, self.vault, self.desk = home, vault, ConsentDesk(vault)
        identity = load_or_make_identity(home)
        self.keys = MemberKeys(signing=identity.signing, encryption=identity.encryption)
        self.public_key = identity.signing_public_key
        members = (member(ME, self.keys), *(member(each) for each in IDS[1:]))
        self.roster = CountedRoster(roster=replace(ROSTER, members=members), counted=frozenset(IDS))

    def says(self, name: str, act: Act) -> None:
        self.desk.record(name, COOP, act, SAID)

    def request(self, programme: str) -> RoundRequest:
        request = round_request()
        request.programme_id = programme
        return request

    def contributes(self, programme: str) -> RoundAnswer:
        agreement = Agreement(
            member_id=ME,
            coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
            charter=CHARTER,
            limits=LIMITS,
            find_roster=lambda sha256, participants, opened: self.roster,
            holds_to_day=lambda programme_id, day: True,
        )
        with closing(Ledger.open(self.home.ledger)) as ledger:
            till = StoreTill(
                home=self.home,
                ledger=ledger,
                plan=PLAN,
                terms=CHARTER.privacy,
                limits=SpendingLimits(budget=Budget(epsilon=30.0, delta=1e-5, period_days=365)),
                today=lambda: TODAY,
            )
            desk = RoundDesk(agreement, keys=self.keys, till=till, clock=lambda: NOW)
            answer = desk.answer(contribute_message(self.request(programme)))
        assert not answer.is_refused
        return answer

    def attested(self, answer: RoundAnswer) -> Attestation:
        """As the coordinator takes it."""
        reply = open_reply(answer.body, member_public_key=self.public_key)
        signed, request = attestation_in(reply), self.request(reply.programme_id)
        assert signed is not None
        assert answer.attestation_sha256 == signed.sha256()
        header = hashlib.sha256(Contribution.FromString(reply.contribution).header).digest()
        sha256 = request_sha256(sign_request(request, COORDINATOR))
        about = attested_round(request, sha256, member_id=ME, contribution_sha256=header)
        return open_attestation(signed, public_key=self.public_key, about=about)

    def opened(self, programme: str) -> AttestationOpening:
        made = open_attested(self.home, self.vault, _first(programme))
        paper = read_paper(made.to_file_bytes())
        assert paper == made
        return made

    def verdict(self, programme: str) -> OpeningVerdict:
        return check_opening(self.opened(programme), public_key=self.public_key)

    def cohort(self, programme: str) -> set[int]:
        return {entry.customer for entry in self.opened(programme).cohort}


@pytest.fixture
def store(tmp_path: Path, full_vault: Vault) -> Store:
    made = Store(StoreHome(tmp_path / "store"), full_vault)
    made.says("ben", Act.GIVEN)
    return made


def test_a_contribution_is_attested_and_its_opening_holds(store: Store) -> None:
    attestation = store.attested(store.contributes(PROGRAMMES[0]))
    both = {store.vault.customer_key(name) for name in ("ann", "ben")}
    verdict = store.verdict(PROGRAMMES[0])
    assert verdict.attestation == attestation
    assert (verdict.customers, verdict.erased, verdict.first) == (2, 0, None)
    assert store.cohort(PROGRAMMES[0]) == both
    assert 0 < attestation.use.epsilon < CHARTER.privacy.epsilon
    assert attestation.use.delta == CHARTER.privacy.delta


def test_who_withdraws_between_two_rounds_is_in_the_first_opening_and_not_in_the_second(
    store: Store,
) -> None:
    store.contributes(PROGRAMMES[0])
    store.says("ann", Act.WITHDRAWN)
    store.contributes(PROGRAMMES[1])
    ann, ben = (store.vault.customer_key(name) for name in ("ann", "ben"))
    assert store.cohort(PROGRAMMES[0]) == {ann, ben}
    assert store.cohort(PROGRAMMES[1]) == {ben}
    # Both hold: the first was right when it was made.
    assert store.verdict(PROGRAMMES[0]).first is None
    assert store.verdict(PROGRAMMES[1]).first is None


def test_an_auditor_names_whom_a_store_used_after_they_withdrew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a store that puts a withdrawn customer into its cohort cannot open it without being seen."""
    ann = store.vault.customer_key("ann")
    store.says("ann", Act.WITHDRAWN)

    def cheating(
        cohort: dict[int, frozenset[Purpose]], names: dict[int, str], **how: object
    ) -> CommittedRound:
        return real({**cohort, ann: frozenset({COOP})}, {**names, ann: "ab" * 32}, **how)  # type: ignore[arg-type]  # as given

    real = till_module.commit_to_round
    monkeypatch.setattr(till_module, "commit_to_round", cheating)
    with store.vault.write() as connection:
        connection.execute("INSERT INTO pseudonyms VALUES (?, ?)", (ann, bytes.fromhex("ab" * 32)))
    store.contributes(PROGRAMMES[0])
    verdict = store.verdict(PROGRAMMES[0])
    assert verdict.first is not None
    assert (verdict.first.entry.customer, verdict.first.state) == (ann, ConsentState.WITHDRAWN)


def test_two_rounds_without_any_change_have_nothing_of_the_cohort_in_common(store: Store) -> None:
    first = store.attested(store.contributes(PROGRAMMES[0])).use
    second = store.attested(store.contributes(PROGRAMMES[1])).use
    assert first.cohort != second.cohort
    assert first.consent != second.consent
    assert (first.policy_sha256, first.epsilon) == (second.policy_sha256, second.epsilon)
    leaves = [
        set(AttestationBook(store.home).find(_first(each)).tree.leaves.values()) for each in PROGRAMMES[:2]
    ]
    assert not leaves[0] & leaves[1]


def test_the_policy_hash_changes_with_the_shops_own_settings(store: Store) -> None:
    first = store.attested(store.contributes(PROGRAMMES[0])).use
    store.home.config.write_text("[consent]\nvalid_days = 3650\n")
    assert store.attested(store.contributes(PROGRAMMES[1])).use.policy_sha256 != first.policy_sha256


def test_the_customer_concerned_has_a_proof_and_others_have_none(store: Store) -> None:
    store.says("ben", Act.WITHDRAWN)
    store.contributes(PROGRAMMES[0])
    where = _first(PROGRAMMES[0])
    proof = prove_membership(store.home, store.vault, "ann", where)
    again = read_paper(proof.to_file_bytes())
    assert isinstance(again, MembershipProof)
    assert len(again.path) == DEPTH
    assert check_membership(again, public_key=store.public_key) == store.verdict(PROGRAMMES[0]).attestation
    with pytest.raises(AttestationError):
        check_membership(replace(again, entry=replace(again.entry, customer=again.entry.customer + 1)))
    with pytest.raises(AttestationRecordError):
        prove_membership(store.home, store.vault, "ben", where)


def test_nobody_can_open_the_leaf_of_somebody_who_was_erased(store: Store) -> None:
    store.contributes(PROGRAMMES[0])
    ann = store.vault.customer_key("ann")
    with store.vault.write() as connection:
        connection.execute("DELETE FROM pseudonyms WHERE customer = ?", (ann,))
    store.desk.erase("ann")
    verdict = store.verdict(PROGRAMMES[0])
    assert (verdict.customers, verdict.erased, verdict.first) == (1, 1, None)
    assert verdict.emptied > 0


def test_a_round_that_was_never_attested_or_is_no_round_is_told(store: Store) -> None:
    store.contributes(PROGRAMMES[0])
    with pytest.raises(AttestationRecordError, match="keeps no"):
        open_attested(store.home, store.vault, _first(PROGRAMMES[2]))
    path = next(store.home.attestations.iterdir())
    path.write_bytes(path.read_bytes().replace(b'"leaves": "', b'"leaves": "AAAA'))
    with pytest.raises(AttestationRecordError, match="cannot be read"):
        open_attested(store.home, store.vault, _first(PROGRAMMES[0]))


def test_the_same_request_has_the_same_attestation_and_the_book_holds_no_names(store: Store) -> None:
    first = store.contributes(PROGRAMMES[0])
    assert store.contributes(PROGRAMMES[0]) == first
    text = next(store.home.attestations.iterdir()).read_text()
    assert "customer" not in text
    assert next(store.home.attestations.iterdir()).stat().st_mode & 0o077 == 0
