"""The published known answers, by the shipped code and by an implementation that shares nothing with it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import plain_secure_sum as plain
import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parents[3]
VECTORS = json.loads((ROOT / "docs" / "secure-sum" / "vectors.json").read_text(encoding="utf-8"))
ROUNDS = VECTORS["rounds"]


def raw(text):
    return bytes.fromhex(text)


def test_the_second_implementation_meets_the_rfcs_own_vectors():
    """RFC 8439 2.3.2 and 2.5.2, RFC 7748 5.2, RFC 8032 7.1 (test 2), RFC 5869 A.1."""
    block = plain.chacha20_block(bytes(range(32)), 1, raw("000000090000004a00000000"))
    assert block[:8].hex() == "10f1e7e4d13b5915"
    key = raw("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = plain.poly1305(key, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"
    once = plain.x25519(b"\x09" + bytes(31))
    assert once.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    okm = plain.hkdf(bytes([11]) * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)))
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    private = raw("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert plain.ed25519_public(private).hex() == (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )
    assert plain.ed25519_sign(private, b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540")


@pytest.mark.parametrize("expansion", VECTORS["expansions"], ids=lambda one: one["seed"][:8])
def test_seeds_stand_for_the_published_values(expansion):
    values = plain.expanded(raw(expansion["seed"]), expansion["from"] + len(expansion["values"]))
    assert values[expansion["from"] :] == expansion["values"]


class Party:
    """One member's keys, by the second implementation."""

    def __init__(self, member):
        self.signing = raw(member["signing_private_key"])
        self.encryption = raw(member["encryption_private_key"])
        self.signing_public = plain.ed25519_public(self.signing)
        self.encryption_public = plain.x25519(self.encryption)


class PlainRound:
    """A published round worked through again from its inputs."""

    def __init__(self, published):
        self.published = published
        self.parties = {member["member_id"]: Party(member) for member in published["members"]}
        self.request_sha256 = raw(published["request_sha256"])
        order = plain.committee_order(
            self.parties,
            coop_id=published["coop_id"],
            programme_id=published["programme_id"],
            round_number=published["round_number"],
            roster_sha256=raw(published["roster_sha256"]),
        )
        self.seats = order[: min(published["committee_size"], len(order))]
        self.threshold = plain.threshold(len(self.seats), published["colluders"])
        listed = [(one, *self.public_keys(one)) for one in self.seats]
        self.committee_sha256 = plain.committee_sha256(self.threshold, listed)

    def public_keys(self, member_id):
        party = self.parties[member_id]
        return party.signing_public, party.encryption_public

    def fixed_header(self, contributor_id, ephemeral):
        return [
            (1, 1),
            (2, self.published["coop_id"].encode()),
            (3, self.request_sha256),
            (4, contributor_id.encode()),
            (5, self.committee_sha256),
            (6, self.published["dimension"]),
            (7, ephemeral),
        ]

    def box_key(self, secret, contributor_id, position, ephemeral):
        member_id = self.seats[position - 1]
        return plain.box_key(
            secret,
            request_sha256=self.request_sha256,
            contributor_id=contributor_id,
            member_id=member_id,
            position=position,
            ephemeral=ephemeral,
            public=self.parties[member_id].encryption_public,
        )

    def contribution(self, published):
        """Header, signature, boxes."""
        contributor_id = published["contributor_id"]
        private = raw(published["ephemeral_private_key"])
        ephemeral = plain.x25519(private)
        fields = self.fixed_header(contributor_id, ephemeral)
        seeds = [raw(seed) for seed in published["seeds"]]
        shares = plain.all_shares(published["integers"], seeds, len(self.seats))
        boxes = []
        for position, member_id in enumerate(self.seats, start=1):
            secret = plain.x25519(private, self.parties[member_id].encryption_public)
            share = seeds[position - 1] if position < self.threshold else plain.to_data(shares[position])
            key = self.box_key(secret, contributor_id, position, ephemeral)
            boxes.append(plain.seal(key, share, plain.encoded(*fields)))
        header = plain.encoded(*fields, (8, [plain.sha256(box) for box in boxes]))
        signature = plain.signed(b"contribution", self.parties[contributor_id].signing, header)
        return header, signature, boxes

    def announcement(self, kind, contributions, position):
        """Hash of the set, and the fields of a request but for what it says of each contributor."""
        member_id = self.seats[position - 1].encode()
        headers = [header for header, _, _ in contributions.values()]
        announced = plain.sha256(*sorted(plain.sha256(header) for header in headers))
        key = raw(self.published["coordinator_private_key"])
        signature = plain.signed(kind, key, self.request_sha256 + member_id + announced)
        return announced, [(1, 1), (2, self.request_sha256), (3, member_id)], (5, signature)

    def inspection_request(self, contributions, position):
        _, first, last = self.announcement(b"sum-inspection-request", contributions, position)
        return plain.encoded(*first, (4, self.entries(contributions, position)), last)

    def inspection(self, announced, position):
        """The findings of a member that can use every box."""
        member_id = self.seats[position - 1]
        content = plain.encoded(
            (1, 1),
            (2, self.request_sha256),
            (3, member_id.encode()),
            (4, self.committee_sha256),
            (5, plain.encoded((1, announced))),
        )
        signature = plain.signed(b"sum-inspection", self.parties[member_id].signing, content)
        return plain.encoded((1, content), (2, signature))

    def entries(self, contributions, position):
        return [
            plain.encoded((1, header), (2, signature), (3, boxes[position - 1]))
            for _, (header, signature, boxes) in sorted(contributions.items())
        ]

    def agreement_request(self, contributions, position):
        _, first, last = self.announcement(b"sum-agreement-request", contributions, position)
        entries = [
            plain.encoded((1, header), (2, signature))
            for _, (header, signature, _) in sorted(contributions.items())
        ]
        return plain.encoded(*first, (4, entries), last)

    def agreement(self, announced, position):
        member_id = self.seats[position - 1]
        content = plain.encoded(
            (1, 1),
            (2, self.request_sha256),
            (3, member_id.encode()),
            (4, self.committee_sha256),
            (5, announced),
        )
        signature = plain.signed(b"sum-agreement", self.parties[member_id].signing, content)
        return plain.encoded((1, content), (2, signature))

    def sum_request(self, contributions, agreements, position):
        announced, first, last = self.announcement(b"sum-request", contributions, position)
        entries = self.entries(contributions, position)
        body = plain.encoded(*first, (4, entries), last, (6, agreements[: self.threshold]))
        return announced, body

    def share_of_the_sum(self, contributions, position):
        """Opened from the boxes with the member's own key, not taken from what the contributors shared."""
        member_id = self.seats[position - 1]
        columns = []
        for published in self.published["contributions"]:
            contributor_id = published["contributor_id"]
            ephemeral = plain.x25519(raw(published["ephemeral_private_key"]))
            secret = plain.x25519(self.parties[member_id].encryption, ephemeral)
            key = self.box_key(secret, contributor_id, position, ephemeral)
            fixed = plain.encoded(*self.fixed_header(contributor_id, ephemeral))
            share = plain.unseal(key, contributions[contributor_id][2][position - 1], fixed)
            is_seed = position < self.threshold
            values = plain.expanded(share, self.published["dimension"]) if is_seed else plain.to_values(share)
            columns.append(values)
        return [sum(values) % plain.P for values in zip(*columns, strict=True)]

    def answer(self, announced, values, position):
        member_id = self.seats[position - 1]
        content = plain.encoded(
            (1, 1),
            (2, self.request_sha256),
            (3, member_id.encode()),
            (4, announced),
            (5, plain.to_data(values)),
        )
        signature = plain.signed(b"sum-answer", self.parties[member_id].signing, content)
        return plain.encoded((1, content), (2, signature))


@pytest.mark.parametrize("published", ROUNDS, ids=lambda one: f"m{len(one['committee'])}t{one['threshold']}")
def test_the_second_implementation_makes_the_published_messages_byte_for_byte(published):
    again = PlainRound(published)
    assert again.seats == published["committee"]
    assert again.threshold == published["threshold"]
    assert again.committee_sha256.hex() == published["committee_sha256"]
    contributions = {one["contributor_id"]: again.contribution(one) for one in published["contributions"]}
    for one in published["contributions"]:
        header, signature, boxes = contributions[one["contributor_id"]]
        assert plain.sha256(header).hex() == one["header_sha256"]
        assert plain.encoded((1, header), (2, signature), (3, boxes)).hex() == one["contribution"]
    for position, one in enumerate(published["inspections"], start=1):
        assert again.inspection_request(contributions, position).hex() == one["inspection_request"]
        assert again.inspection(raw(published["set_sha256"]), position).hex() == one["inspection"]
    agreements = []
    for one in published["agreements"]:
        position = again.seats.index(one["member_id"]) + 1
        assert again.agreement_request(contributions, position).hex() == one["agreement_request"]
        agreements.append(again.agreement(raw(published["set_sha256"]), position))
        assert agreements[-1].hex() == one["agreement"]
    shares = {}
    for position, one in enumerate(published["answers"], start=1):
        announced, request = again.sum_request(contributions, agreements, position)
        assert announced.hex() == published["set_sha256"]
        assert request.hex() == one["sum_request"]
        shares[position] = again.share_of_the_sum(contributions, position)
        assert again.answer(announced, shares[position], position).hex() == one["answer"]
    total = [
        sum(column) for column in zip(*(one["integers"] for one in published["contributions"]), strict=True)
    ]
    assert published["sum"] == total
    for some in itertools.combinations(shares, published["threshold"]):
        assert plain.opened({position: shares[position] for position in some}) == total


def test_the_second_implementation_sees_a_changed_bit():
    """The twin: one seed's last bit another, and the contribution is not the published one."""
    published = ROUNDS[0]["contributions"][0]
    seed = published["seeds"][0]
    changed = {
        **published,
        "seeds": [seed[:-1] + format(int(seed[-1], 16) ^ 1, "x"), *published["seeds"][1:]],
    }
    again = PlainRound(ROUNDS[0])
    header, _, boxes = again.contribution(published)
    other_header, _, other_boxes = again.contribution(changed)
    assert other_header != header
    # The seed's own box and the one computed share; the other seed's box stays.
    assert [one != other for one, other in zip(boxes, other_boxes, strict=True)] == [True, False, True]


def test_the_shipped_code_makes_the_published_vectors():
    script = ROOT / "scripts" / "secure_sum_vectors.py"
    subprocess.run([sys.executable, script, "--check"], check=True, timeout=120)
