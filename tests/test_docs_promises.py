"""What docs/promises.md lets a reader compute is run on a real store's folder, and gives our own figures."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from highstreet.audit.attestation import ATTESTATION_LIMIT_BYTES, AttestedRound, AttestedUse
from highstreet.audit.charter import Charter
from highstreet.audit.claims import claims_of
from highstreet.audit.limits import StoreLimits
from highstreet.cli import _root
from highstreet.client.config import ConsentConfig, RightsConfig
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.rights_files import KEPT_DAYS
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_log import noted
from highstreet.models.customer_groups import DECLARED
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release
from highstreet.protos import coop_pb2, matching_pb2, rounds_pb2, secure_sum_pb2
from highstreet.protos.rounds_pb2 import RefusalCode
from highstreet.server.founding import default_charter

pytestmark = pytest.mark.checkout

_GUIDE = Path(__file__).resolve().parent.parent / "docs" / "promises.md"
#: The guide's steps of 0.001, its libraries' 0.01, and what the claim adds for being an upper bound.
_TOLERANCE = 0.015
#: Places of the guide's programs.
_LEDGER_CHECK, _FORMULA, _LIBRARIES = range(3)


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


def _guide() -> str:
    return _GUIDE.read_text(encoding="utf-8")


def _run(place: int, home: StoreHome) -> str:
    """Run a program of the guide as its reader does: saved as a file, in the shop's folder."""
    programs = re.findall(r"```python\n(.*?)```", _guide(), flags=re.DOTALL)
    assert len(programs) == 3
    file = home.root / "check.py"
    file.write_text(programs[place], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", str(file)],
        cwd=home.root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _epsilons(shown: str) -> list[float]:
    return [float(number) for number in re.findall(r"epsilon ([0-9.]+[0-9])", shown)]


def _claimed(charter: Charter) -> list[float]:
    claims = claims_of(charter)
    return [claims.customer.epsilon, claims.person.epsilon]


def test_the_formula_gives_the_claims_of_the_charter_on_disk(coop: Any, store: StoreHome) -> None:
    found = _epsilons(_run(_FORMULA, store))
    assert found == pytest.approx(_claimed(coop.home.charter()), abs=_TOLERANCE)


def test_with_less_noise_in_the_charter_the_formula_gives_more(coop: Any, store: StoreHome) -> None:
    file = store.coop / "charter.json"
    file.write_text(file.read_text().replace('"noise_multiplier": 5.0', '"noise_multiplier": 4.5'))
    found = _epsilons(_run(_FORMULA, store))
    for epsilon, claimed in zip(found, _claimed(coop.home.charter()), strict=True):
        assert epsilon > claimed + 5 * _TOLERANCE


@pytest.mark.slow
def test_two_libraries_give_the_claims_of_the_charter_on_disk(coop: Any, store: StoreHome) -> None:
    found = _epsilons(_run(_LIBRARIES, store))
    customer, person = _claimed(coop.home.charter())
    assert found == pytest.approx([customer, customer, person, person], abs=_TOLERANCE)


def test_the_figures_in_the_guide_are_those_of_the_default_charter() -> None:
    charter = default_charter("Any", epsilon=3.0, delta=1e-5, today=date(2026, 11, 22))
    claims = claims_of(charter)
    for claim in (claims.customer, claims.person):
        assert f"epsilon {claim.printed_epsilon}, delta 0.00001" in _guide()
        assert f"{claim}" in _guide()
    assert f"k = {claims.person.k}:" in _guide()
    noise = sum(phase.noise_multiplier**-2 for phase in charter.plan.phases) ** -0.5
    for shops, told in ((1, 64.1), (claims.person.k, 92.5)):
        chance = 100 * math.erfc(-shops / noise / 2 / math.sqrt(2)) / 2
        assert told - 0.1 < chance <= told
        assert f"{told} in 100" in _guide().replace("\n", " ")


@pytest.mark.parametrize(("epsilon", "coin", "one_in_hundred"), [(1, 73.2, 2.7), (3, 95.3, 16.9)])
def test_what_epsilon_allows_is_told_rounded_up(epsilon: int, coin: float, one_in_hundred: float) -> None:
    odds = math.exp(epsilon)
    assert coin - 0.1 < 100 * odds / (1 + odds) <= coin
    assert one_in_hundred - 0.1 < 100 * odds / (99 + odds) <= one_in_hundred
    assert f"| {epsilon} | {coin} in 100 | {one_in_hundred} in 100 |" in _guide()


def test_a_reply_in_the_ledger_is_found_in_the_log_and_one_that_was_not_noted_is_told(
    store: StoreHome,
) -> None:
    def answer(body: bytes) -> RoundAnswer:
        return RoundAnswer(body=body, step=Step.CONTRIBUTION)

    with closing(Ledger.open(store.ledger)) as ledger:
        for phase, sent in ((0, True), (1, False)):
            each = RoundKey(programme_id="a1b2c3d4e5f60718", phase=phase, request_sha256=bytes(32))
            ledger.open_round(
                each,
                release=customer_release(noise_multiplier=5.0),
                cohort=(),
                limits=SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365)),
                today=date(2026, 11, 22),
            )
            reply = ledger.store_reply(each, b"sealed" * (phase + 1))
            noted(answer, store)(reply if sent else b"something else")
    first, second = _run(_LEDGER_CHECK, store).splitlines()
    assert first.startswith("6 bytes")
    assert first.endswith("as logged")
    assert second.endswith("NOT IN THE LOG")


def test_every_message_a_store_sends_is_in_the_table() -> None:
    sent = _sent(rounds_pb2.DESCRIPTOR, secure_sum_pb2.DESCRIPTOR, matching_pb2.DESCRIPTOR)
    sent |= {method.input_type.name for method in coop_pb2.DESCRIPTOR.services_by_name["Coop"].methods}
    assert {"SignedAttestation", "SumInspection", "SignedEvaluations", "PutCosignatureRequest"} <= sent
    named = set(re.findall(r"`(\w+)`", _table()))
    assert sent <= named, sent - named
    assert len(RefusalCode.values()) - 1 == int(re.findall(r"one of (\d+) codes", _guide())[0])


@pytest.mark.parametrize(
    ("message", "field", "of_type", "found"),
    [
        ("RoundReply", "survey", "Survey", "Survey"),  # a message by itself
        ("MatchReply", "survey", "", "MatchReply.survey"),  # bytes of which nobody said what is in them
        ("SignedAttestation", "customers", "", "SignedAttestation.customers"),
    ],
)
def test_a_new_field_of_what_a_store_sends_would_be_missing_in_the_table(
    message: str, field: str, of_type: str, found: str
) -> None:
    file = descriptor_pb2.FileDescriptorProto()
    rounds_pb2.DESCRIPTOR.CopyToProto(file)
    file.message_type.add(name="Survey")
    changed = next(each for each in file.message_type if each.name == message)
    kind = descriptor_pb2.FieldDescriptorProto
    if of_type:
        changed.field.add(
            name=field, number=99, label=1, type=kind.TYPE_MESSAGE, type_name=f".highstreet.v1.{of_type}"
        )
    else:
        changed.field.add(name=field, number=99, label=1, type=kind.TYPE_BYTES)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(matching_pb2.DESCRIPTOR.serialized_pb)
    grown = pool.AddSerializedFile(file.SerializeToString())
    sent = _sent(grown or pool.FindFileByName(file.name), secure_sum_pb2.DESCRIPTOR, matching_pb2.DESCRIPTOR)
    assert sent - set(re.findall(r"`(\w+)`", _table())) == {found}


#: What the bytes in a field are, where they are a message of ours.
_HELD = {
    "SignedReply.reply": "RoundReply",
    "RoundReply.contribution": "Contribution",
    "RoundReply.match": "MatchReply",
    "Contribution.header": "ContributionHeader",
    "MatchReply.key": "SignedHolderKey",
    "MatchReply.list": "SignedBlindedList",
    "MatchReply.evaluated": "EvaluatedLists",
    "SignedHolderKey.key": "HolderKey",
    "SignedBlindedList.list": "BlindedList",
    "EvaluatedList.evaluations": "SignedEvaluations",
    "SignedEvaluations.evaluations": "Evaluations",
    "SignedSumInspection.inspection": "SumInspection",
    "SignedSumAgreement.agreement": "SumAgreement",
    "SignedSumAnswer.answer": "SumAnswer",
}
#: Fields that are no message, as the table says what is in them: ids, keys, hashes, signatures, sizes, boxes,
#: group elements and numbers of the sum.
_PLAIN = {
    "attestation",
    "bad_header_sha256",
    "box_sha256",
    "boxes",
    "committee_sha256",
    "contributor_id",
    "coop_id",
    "dimension",
    "done",
    "elements",
    "ephemeral_public_key",
    "format_version",
    "holder_id",
    "keys_sha256",
    "list_sha256",
    "matching_id",
    "member_id",
    "programme_id",
    "proof",
    "public_key",
    "refusal",
    "request_sha256",
    "round",
    "set_sha256",
    "signature",
    "values",
}


def _sent(*files: Any) -> set[str]:
    """Every message and enumeration in what a store answers, and every field of which nothing is known."""
    types: dict[str, Any] = {
        name: each for file in files for name, each in file.message_types_by_name.items()
    }
    found: set[str] = set()
    due = ["SignedReply", "SignedSumInspection", "SignedSumAgreement", "SignedSumAnswer"]
    while due:
        name = due.pop()
        found.add(name)
        for field in types[name].fields:
            held = _HELD.get(f"{name}.{field.name}") or (field.message_type and field.message_type.name)
            if held:
                due.extend({held} - found)
            elif field.enum_type:
                found.add(field.enum_type.name)
            elif field.name not in _PLAIN:
                found.add(f"{name}.{field.name}")
    return found


def _table() -> str:
    """The rows of section 2."""
    section = _guide().split("## 2. ")[1].split("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


def test_what_an_attestation_holds_is_in_its_row() -> None:
    row = next(line for line in _table().splitlines() if "`SignedAttestation`" in line)
    for said in ("policy", "consent log", "who was used", "epsilon and delta", "floor", "4 KiB"):
        assert said in row
    assert ATTESTATION_LIMIT_BYTES == 4 << 10
    ids = {"kind", "coop_id", "member_id", "programme_id", "round"}
    hashes = {"request_sha256", "model_sha256", "contribution_sha256", "policy_sha256"}
    rest = {"cohort_floor", "cohort", "consent", "epsilon", "delta"}
    signed = {each.name for form in (AttestedRound, AttestedUse) for each in fields(form)}
    assert signed == ids | hashes | rest  # else the row lacks one


def test_every_command_for_customers_rights_is_named() -> None:
    named = set(re.findall(r"highstreet store rights\s([a-z][a-z-]*)", _guide()))
    command: click.Command | None = _root()
    for word in ("store", "rights"):
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert isinstance(command, click.Group)
    commands = set(command.list_commands(click.Context(command)))
    assert {"access", "erase", "object"} <= commands
    assert named == commands


def test_every_setting_of_how_long_something_is_kept_is_named() -> None:
    answer = _guide().split("**How long are data kept?**")[1].split("\n\n")[0]
    for config in (ConsentConfig, RightsConfig):
        for name, setting in config.model_fields.items():
            assert re.search(rf"`{name}`[^;.]*\({setting.default}\s", answer), name
    assert f"{KEPT_DAYS} days" in answer


def test_every_declared_attribute_is_named() -> None:
    by_group = _guide().split("**By group**")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", by_group)) >= set(DECLARED)
    assert "a tenth of the budget" in by_group
