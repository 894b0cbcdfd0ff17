"""A matching's lists and tables are attested: nothing is taken without, and what opens them holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from matching_coop import PROGRAMME, MatchingCoop, Shop, matching_charter
from test_logged_programme import _entries, _log
from trained_coop import NOW, VaultShop, counting_charter

from highstreet.audit.attestation import Attestation, AttestedKind, read_attestation, sign_attestation
from highstreet.audit.attestation_check import OpeningVerdict, check_membership, check_opening
from highstreet.audit.attestation_papers import AttestationOpening, read_paper
from highstreet.audit.canonical import canonical_json
from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.matchings import influence_of
from highstreet.audit.requests import attestation_in, seal_reply
from highstreet.audit.signing import SignatureKind, SignedDocument, verify
from highstreet.client import matching_books as books_module
from highstreet.client.attestation_papers import open_attested, prove_membership
from highstreet.client.attested_names import find_name
from highstreet.client.attested_use import CommittedRound
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.erasure import erase_customers
from highstreet.client.errors import AttestationRecordError
from highstreet.client.identity import load_or_make_identity
from highstreet.client.matching_records import UsedInMatching
from highstreet.client.vault import Vault
from highstreet.protos.rounds_pb2 import RoundReply, SignedReply

LIST, TABLE = AttestedKind.MATCHING_LIST, AttestedKind.MATCHING_TABLE
BOTH = frozenset({Purpose.COOP_LEARNING, Purpose.MATCHING})
SAID = How(method=Method.SPOKEN, source="till")
Bend = Callable[[RoundReply, Ed25519PrivateKey], None]


def _coop(folder: Path, count: int = 5) -> MatchingCoop:
    shops = {1: "anna bert cara", 2: "anna bert", 3: "anna dora", 4: "anna", 5: "dora emil"}
    return MatchingCoop(folder, [Shop(number, shops[number].split()) for number in range(1, count + 1)])


def _attested(coop: MatchingCoop, kind: AttestedKind) -> dict[str, Attestation]:
    """What the coordinator keeps of one kind, by member."""
    rows = coop.rows("SELECT kind, member_id, document, signature FROM attestations")
    found = {}
    for said, member_id, document, signature in rows:
        assert isinstance(document, bytes)
        assert isinstance(signature, bytes)
        attestation, shop = read_attestation(document), coop.shops[str(member_id)]
        verify(SignatureKind.ATTESTATION, document, signature, shop.signing.public_key().public_bytes_raw())
        assert (attestation.round.kind, attestation.round.member_id) == (said, member_id)
        if attestation.round.kind is kind:
            found[str(member_id)] = attestation
    return found


def test_every_list_and_table_of_a_matching_is_attested_at_its_cost_and_logged(tmp_path: Path) -> None:
    coop = _coop(tmp_path)
    coop.match()
    assert coop.ended() == ("finished", "")
    lists, tables = _attested(coop, LIST), _attested(coop, TABLE)
    assert lists.keys() == tables.keys() == coop.shops.keys()
    delta = float(influence_of(coop.charter, participants=5))
    for each in (*lists.values(), *tables.values()):
        assert (each.use.epsilon, each.use.delta) == (0.0, delta)
    hidden = [each.use.cohort for each in (*lists.values(), *tables.values())]
    assert len(set(hidden)) == 10
    _log(coop, tmp_path).follow()
    logged = [each.draft.body for each in _entries(tmp_path) if each.draft.key.startswith("attestation/")]
    documents = [document for (document,) in coop.rows("SELECT document FROM attestations")]
    hashes = [hashlib.sha256(document).hexdigest() for document in documents]  # type: ignore[arg-type]  # blobs
    assert sorted(str(body["attestation_sha256"]) for body in logged) == sorted(hashes)
    assert {(body["programme_id"], body["round"]) for body in logged} == {(PROGRAMME, 0)}


def test_documents_of_shops_with_many_and_with_no_customers_are_of_one_length(tmp_path: Path) -> None:
    shops = [Shop(1, {f"customer {number}" for number in range(9)}), *(Shop(each, ()) for each in (2, 3, 4))]
    coop = MatchingCoop(tmp_path, shops)
    coop.match()
    assert coop.ended() == ("finished", "")
    for kind in (LIST, TABLE):
        assert len({len(canonical_json(each.to_dict())) for each in _attested(coop, kind).values()}) == 1


def _unattested(reply: RoundReply, _: Ed25519PrivateKey) -> None:
    reply.ClearField("attestation")


def _of_another_store(reply: RoundReply, _: Ed25519PrivateKey) -> None:
    reply.attestation.signature = bytes(64)


def _of_other_bytes(reply: RoundReply, _: Ed25519PrivateKey) -> None:
    document = reply.attestation.attestation
    at = document.index(b'"contribution_sha256":"') + len(b'"contribution_sha256":"')
    reply.attestation.attestation = document[:at] + b"0" * 64 + document[at + 64 :]


def _of_noise(reply: RoundReply, key: Ed25519PrivateKey) -> None:
    _at_cost(reply, key, epsilon=0.5)


def _of_fewer_rows(reply: RoundReply, key: Ed25519PrivateKey) -> None:
    _at_cost(reply, key, delta=0.0036)


def _of_nothing(reply: RoundReply, key: Ed25519PrivateKey) -> None:
    _at_cost(reply, key, delta=0.0)


def _at_cost(reply: RoundReply, key: Ed25519PrivateKey, **cost: float) -> None:
    """Attest another cost, properly signed."""
    found = read_attestation(reply.attestation.attestation)
    signed = sign_attestation(replace(found, use=replace(found.use, **cost)), key)  # type: ignore[arg-type]  # floats
    reply.attestation.attestation, reply.attestation.signature = signed.document, signed.signature


@pytest.mark.parametrize(
    "bend", [_unattested, _of_another_store, _of_other_bytes, _of_noise, _of_fewer_rows, _of_nothing]
)
@pytest.mark.parametrize("step", ["blind", "give"])
def test_a_list_or_table_without_a_valid_attestation_is_not_taken(
    tmp_path: Path, step: str, bend: Bend
) -> None:
    coop = _coop(tmp_path)
    odd = next(
        shop for shop in coop.shops.values() if shop.member_id not in _holders(coop)
    )  # without a holder there is no matching

    def bent(asked: str, shop: Shop, body: bytes) -> bytes:
        if asked != step or shop is not odd:
            return body
        reply = RoundReply.FromString(SignedReply.FromString(body).reply)
        bend(reply, shop.signing)
        return seal_reply(reply, shop.signing)

    coop.bent_reply = bent
    coop.match()
    assert coop.ended() == ("finished", "")  # the four others are enough
    others = coop.shops.keys() - {odd.member_id}
    assert _attested(coop, LIST if step == "blind" else TABLE).keys() == others
    assert coop.rows("SELECT contributors FROM rounds") == [(4,)]


def test_the_twin_that_is_signed_anew_at_its_own_cost_is_taken(tmp_path: Path) -> None:
    coop = _coop(tmp_path)

    def bent(asked: str, shop: Shop, body: bytes) -> bytes:
        if asked not in {"blind", "give"}:
            return body
        reply = RoundReply.FromString(SignedReply.FromString(body).reply)
        _at_cost(reply, shop.signing, epsilon=0.0)
        return seal_reply(reply, shop.signing)

    coop.bent_reply = bent
    coop.match()
    assert coop.rows("SELECT contributors FROM rounds") == [(5,)]


def _holders(coop: MatchingCoop) -> set[str]:
    """Who will hold keys: told by a matching of the same id in a co-op of its own."""
    with TemporaryDirectory() as folder:
        twin = MatchingCoop(Path(folder), [Shop(shop.number, shop.customers) for shop in coop.shops.values()])
        twin.match()
        return {shop.member_id for shop in twin.shops.values() if shop.answers.get("offer")}


def test_an_attestation_where_none_belongs_makes_an_odd_reply(tmp_path: Path) -> None:
    coop = _coop(tmp_path)
    carried: list[SignedDocument] = []

    def bent(asked: str, shop: Shop, body: bytes) -> bytes:
        reply = RoundReply.FromString(SignedReply.FromString(body).reply)
        if asked == "blind":
            found = attestation_in(reply)
            assert found is not None
            carried.append(found)
        if asked != "evaluate" or not carried:
            return body
        reply.attestation.attestation = carried[0].document
        reply.attestation.signature = carried[0].signature
        return seal_reply(reply, shop.signing)

    coop.bent_reply = bent
    coop.match()
    assert coop.ended()[0] == "failed"  # no holder's evaluations were taken


def _used(shop: Shop, kind: AttestedKind) -> list[UsedInMatching]:
    return [used for used in shop.attested if used.name.kind is kind]


def test_who_withdraws_before_the_table_is_in_the_lists_cohort_and_not_in_the_tables(tmp_path: Path) -> None:
    coop = _coop(tmp_path)

    def withdraw(step: str, shop: Shop, body: bytes) -> bytes:
        if step == "give" and shop.number == 1:
            shop.customers.discard("anna")
        return body

    coop.bent = withdraw
    coop.match()
    first = next(shop for shop in coop.shops.values() if shop.number == 1)
    ((listed,), (tabled,)) = (_used(first, kind) for kind in (LIST, TABLE))
    assert set(listed.customers) == {"anna", "bert", "cara"}
    assert set(tabled.customers) == {"bert", "cara"}


@pytest.mark.parametrize("kind", [LIST, TABLE])
def test_who_withdraws_while_it_is_made_is_not_in_what_leaves(tmp_path: Path, kind: AttestedKind) -> None:
    """The last look, shortly before it may leave: what was made is thrown away and made anew."""
    coop = _coop(tmp_path)
    first = next(shop for shop in coop.shops.values() if shop.number == 1)
    step, real = ("blind" if kind is LIST else "give"), first.desk

    def desk(asked: object) -> object:
        made = real(asked)  # type: ignore[arg-type]  # the co-op
        matching = made._matching
        assert matching is not None
        looks = first.bodies.get(step, [])

        def approach() -> None:
            if looks:
                first.customers.discard("anna")

        matching._shop._books = replace(matching._shop._books, approach=approach)
        return made

    first.desk = desk  # type: ignore[method-assign,assignment]  # for this store alone
    coop.match()
    assert coop.ended() == ("finished", "")
    (used,) = _used(first, kind)
    assert set(used.customers) == {"bert", "cara"}
    assert first.read is not None
    assert "anna" not in first.read


# From here on: stores with everything on their disks.


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


@pytest.fixture
def coop(tmp_path: Path) -> MatchingCoop:
    charter = counting_charter(matching_charter(), shops=4)
    names = {1: "anna bert cara", 2: "anna bert", 3: "anna dora", 4: "anna", 5: "dora emil"}
    shops = [
        VaultShop(number, each.split(), tmp_path / f"shop {number}", unmatched=["zoe"])
        for number, each in names.items()
    ]
    made = MatchingCoop(_folder(tmp_path, "coop"), shops, charter)
    made.clock.now = NOW
    return made


def _first(coop: MatchingCoop) -> VaultShop:
    shop = next(shop for shop in coop.shops.values() if shop.number == 1)
    assert isinstance(shop, VaultShop)
    load_or_make_identity(shop.home)
    return shop


def _opened(shop: VaultShop, part: str) -> AttestationOpening:
    with Vault.open(shop.home.vault) as vault:
        made = open_attested(shop.home, vault, find_name(f"{PROGRAMME}/{part}"))
    public_key = shop.signing.public_key().public_bytes_raw()  # these stores' keys are not in their folders
    paper = read_paper(replace(made, public_key=public_key).to_file_bytes())
    assert isinstance(paper, AttestationOpening)
    return paper


def _verdict(shop: VaultShop, part: str) -> OpeningVerdict:
    return check_opening(_opened(shop, part))


def _cohort(shop: VaultShop, part: str) -> set[str]:
    paper, names = _opened(shop, part), shop.names
    assert all(entry.purposes == BOTH for entry in paper.cohort)
    return {names[str(entry.customer)] for entry in paper.cohort}


def _say(shop: VaultShop, name: str, act: Act) -> None:
    with Vault.open(shop.home.vault) as vault:
        ConsentDesk(vault).record(name, Purpose.MATCHING, act, SAID)


def test_the_openings_of_a_list_and_a_table_hold_and_a_withdrawal_between_them_shows(
    coop: MatchingCoop,
) -> None:
    shop = _first(coop)

    def withdraw(step: str, asked: Shop, body: bytes) -> bytes:
        if step == "give" and asked is shop:
            _say(shop, "anna", Act.WITHDRAWN)
        return body

    coop.bent = withdraw
    coop.match()
    assert coop.ended() == ("finished", "")
    assert _cohort(shop, "list") == {"anna", "bert", "cara"}
    assert _cohort(shop, "table") == {"bert", "cara"}
    for part, kind in (("list", LIST), ("table", TABLE)):
        verdict = _verdict(shop, part)
        assert verdict.first is None
        assert verdict.attestation == _attested(coop, kind)[shop.member_id]


def test_the_customer_concerned_has_a_proof_of_the_matching_and_others_have_none(coop: MatchingCoop) -> None:
    shop = _first(coop)
    coop.match()
    name = find_name(f"{PROGRAMME}/table")
    with Vault.open(shop.home.vault) as vault:
        proof = prove_membership(shop.home, vault, "anna", name)
        with pytest.raises(AttestationRecordError, match="not used"):
            prove_membership(shop.home, vault, "zoe", name)  # agrees to learning alone
    proof = replace(proof, public_key=shop.signing.public_key().public_bytes_raw())
    assert check_membership(proof) == _attested(coop, TABLE)[shop.member_id]
    assert proof.entry.purposes == BOTH


def test_an_auditor_names_whom_a_store_matched_without_their_yes(
    coop: MatchingCoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a store that matches who agreed to learning alone cannot open its list without being seen."""
    shop, real = _first(coop), books_module.commit_to_round

    def cheating(
        cohort: dict[int, frozenset[Purpose]], pseudonyms: dict[int, str], **how: object
    ) -> CommittedRound:
        added = {zoe: frozenset({Purpose.COOP_LEARNING})}
        return real({**cohort, **added}, {**pseudonyms, zoe: "ab" * 32}, **how)  # type: ignore[arg-type]  # as given

    with Vault.open(shop.home.vault) as vault, vault.write() as connection:
        zoe = int(
            connection.execute("SELECT customer FROM customers WHERE customer_id = 'zoe'").fetchone()[0]
        )
        connection.execute("INSERT INTO pseudonyms VALUES (?, ?)", (zoe, bytes.fromhex("ab" * 32)))
    monkeypatch.setattr(books_module, "commit_to_round", cheating)
    coop.match()
    verdict = _verdict(shop, "list")
    assert verdict.first is not None
    assert (verdict.first.entry.customer, verdict.first.purpose) == (zoe, Purpose.MATCHING)


@pytest.mark.parametrize("at", ["evaluate", "give", "read"])
def test_an_erasure_during_a_matching_is_seen_by_nobody_outside_and_closes_the_leaves(
    coop: MatchingCoop, at: str
) -> None:
    shop = _first(coop)
    erased: list[bool] = []

    def erase(step: str, asked: Shop, body: bytes) -> bytes:
        if step == at and not erased and (asked is shop or at == "evaluate"):
            erased.append(True)
            erase_customers(shop.home, ["anna"], source="test", now=datetime.now(UTC))
        return body

    coop.bent = erase
    coop.match()
    assert erased
    assert coop.ended() == ("finished", "")
    assert coop.rows("SELECT contributors FROM rounds") == [(5,)]  # the shop takes part as it began
    assert all(not answer.is_refused for each in shop.answers.values() for answer in each)
    _, counts = shop.kept_counts()
    assert counts is not None
    assert counts.keys() <= {"bert", "cara"}
    assert counts  # the others are counted; one of two may be unknown by chance
    verdict = _verdict(shop, "list")
    assert (verdict.customers, verdict.erased, verdict.first) == (2, 1, None)
    assert _verdict(shop, "table").customers == 2
