"""A matching, and a training that divides contributions by what it told, with both rooms' own code."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from matched_coop import (
    CUSTOMERS,
    SHOPS,
    assert_is_sum,
    coop_of,
    matched_counts,
    one_over,
    request_of,
    stores_of,
)
from matching_coop import MatchingCoop
from numpy.typing import NDArray
from played_coop import CrashError
from trained_coop import VaultShop, train

from highstreet.audit.charter import Charter
from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.requests import mechanism_of
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.contribution import sum_over
from highstreet.client.counted_customers import CountedCustomers
from highstreet.client.customer_weights import weighted_for_sums
from highstreet.client.person_counts import PersonCounts
from highstreet.client.vault import Vault
from highstreet.models.programme import initial_state
from highstreet.protos.rounds_pb2 import REFUSAL_UNAVAILABLE
from highstreet.server import programme_run
from highstreet.server.database import connect
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.matched_table import latest_table, table_of
from highstreet.server.programmes import programme


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float64]]:
    """The sums that the coordinator opened, in the unit of the sum."""
    found, close = [], programme_run.close_phase

    def watched(plan: object, phase: object, state: object, total: object, **named: object) -> object:
        found.append(named["mechanism"].decode(total))  # type: ignore[attr-defined]  # a mechanism
        return close(plan, phase, state, total, **named)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(programme_run, "close_phase", watched)
    return found


def test_a_training_divides_what_customers_add_by_the_counts_of_the_matching(
    tmp_path: Path, sums: list[NDArray[np.float64]]
) -> None:
    coop = coop_of(tmp_path, shops=3, s4="fritz")  # Fritz agrees to learning and not to being matched
    counts = matched_counts(coop)
    asked = train(coop)
    with closing(connect(coop.database)) as connection:
        table = latest_table(connection, coop.charter)
    assert table is not None
    assert (asked.counts_from, table.told, len(table.contributors)) == (table.matching_id, SHOPS, SHOPS)
    coop.run()
    assert len(coop.published) == 1
    request = request_of(coop, asked.programme_id)
    assert request.matching_table_sha256 == table.sha256
    assert {shop.kept_counts()[0] for shop in stores_of(coop)} == {table.sha256}
    (opened,) = sums

    # The twins: Anna of four shops counts though a person has three; everybody counts whole, or by 1 / K;
    # who is not matched counts.
    assert_is_sum(
        coop,
        opened,
        one_over(counts, most=3),
        one_over(counts, most=4),
        {member_id: dict.fromkeys(read, 1.0) for member_id, read in counts.items()},
        {member_id: dict.fromkeys(read, 1 / 3) for member_id, read in counts.items()},
        {**one_over(counts, most=3), f"{4:016x}": {"fritz": 1.0}},
    )


def _integers(shop: VaultShop, charter: Charter, *, without: str, whole: bool) -> NDArray[np.int64]:
    """What the store's contribution moves by when a person is removed: two sums on the grid, no noise."""
    phase, state = charter.plan.phases[0], initial_state(charter.plan)
    mechanism = mechanism_of(phase, charter, participants=SHOPS)
    table, _ = shop.kept_counts()
    with Vault.open(shop.home.vault) as vault:
        counts = PersonCounts(shop.home.person_counts, vault_id=vault.vault_id)
        most = charter.privacy.shops_per_person
        weights = CountedCustomers.read(vault, counts, table, most_shops=most).of_agreeing(vault)
    if whole:
        weights = dict.fromkeys(weights, 1.0)
    data, names = weighted_for_sums(shop.data(charter), charter.privacy, weights), shop.names
    others = np.flatnonzero([names[customer] != without for customer in data.customer_ids])
    there, gone = (
        mechanism.encode(sum_over(charter.plan, phase, state, each)) for each in (data, data.select(others))
    )
    return there - gone


def test_a_person_in_four_shops_moves_the_sum_of_the_whole_co_op_by_at_most_one_clip(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, shops=4)
    matched_counts(coop)
    charter = coop.charter
    mechanism = mechanism_of(charter.plan.phases[0], charter, participants=SHOPS)

    def moved(person: str, *, whole: bool = False) -> float:
        return float(
            np.linalg.norm(
                sum(_integers(shop, charter, without=person, whole=whole) for shop in stores_of(coop))
            )
        )

    clip = charter.plan.phases[0].clipping_norm / mechanism.grid_step
    people = {name for names in CUSTOMERS.values() for name in names.split()}
    for person in people:
        assert moved(person) <= mechanism.sensitivity
    # As much as a customer of one shop, rounding aside: the bound is reached.
    assert max(moved(person) for person in people) > 0.9 * clip
    # The twin: with whole weights a person of several shops is over it.
    assert moved("anna", whole=True) > 1.5 * mechanism.sensitivity


def test_a_store_left_out_of_the_matching_adds_noise_only_and_the_others_do_not_count_it(
    tmp_path: Path, sums: list[NDArray[np.float64]]
) -> None:
    coop = coop_of(tmp_path)
    left_out = stores_of(coop)[0]
    left_out.silent = {"give"}
    others = [shop.member_id for shop in stores_of(coop)[1:]]
    counts = matched_counts(coop, others)
    assert not left_out.home.person_counts.exists()
    left_out.silent = set()
    asked = train(coop)
    with closing(connect(coop.database)) as connection:
        table = latest_table(connection, coop.charter)
        assert programme(connection, asked.programme_id) == asked
    assert table is not None
    assert "1 was not in its sum and can add noise only" in table.in_words(list(coop.shops))
    coop.run()
    (opened,) = sums
    assert coop.rows("SELECT contributors FROM rounds ORDER BY opened_at")[-1] == (SHOPS,)
    assert left_out.rounds_paid() == 1
    weights = one_over(counts, most=4)
    with_it = {**weights, left_out.member_id: {"anna": 0.25, "bert": 1 / 3, "cara": 1.0}}
    assert_is_sum(coop, opened, weights, with_it)


def test_a_store_whose_counts_are_damaged_refuses_and_spends_nothing(
    tmp_path: Path, sums: list[NDArray[np.float64]]
) -> None:
    coop = coop_of(tmp_path)
    counts = matched_counts(coop)
    broken = stores_of(coop)[4]
    broken.home.person_counts.write_bytes(b"\x00")
    train(coop)
    coop.run()
    refusals = {answer.refusal for answer in broken.answers["contribute"]}
    assert refusals == {REFUSAL_UNAVAILABLE}
    assert [shop.rounds_paid() for shop in stores_of(coop)] == [1, 1, 1, 1, 0]
    (opened,) = sums
    weights = one_over(counts, most=4)
    without = {member_id: each for member_id, each in weights.items() if member_id != broken.member_id}
    assert_is_sum(coop, opened, without, weights, contributors=4)


def test_who_withdraws_from_matching_after_it_is_in_no_training(
    tmp_path: Path, sums: list[NDArray[np.float64]]
) -> None:
    coop = coop_of(tmp_path)
    weights = one_over(matched_counts(coop), most=4)
    shop = stores_of(coop)[0]
    with Vault.open(shop.home.vault) as vault:
        ConsentDesk(vault).record(
            "cara", Purpose.MATCHING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
        )
    train(coop)
    coop.run()
    (opened,) = sums
    without = {**weights, shop.member_id: {**weights[shop.member_id], "cara": 0.0}}
    assert_is_sum(coop, opened, without, weights)
    assert "cara" not in (shop.kept_counts()[1] or {})


@pytest.mark.parametrize("at", ["give", "read"])
def test_who_takes_back_a_yes_and_gives_it_again_during_the_matching_has_no_count(
    tmp_path: Path, at: str
) -> None:
    coop = coop_of(tmp_path)
    shop = stores_of(coop)[0]

    def change(step: str, asked: object, body: bytes) -> bytes:
        if step == at and asked is shop:
            with Vault.open(shop.home.vault) as vault:
                desk = ConsentDesk(vault)
                desk.record(
                    "cara", Purpose.MATCHING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="one file")
                )
                desk.record("cara", Purpose.MATCHING, Act.GIVEN, How(method=Method.SPOKEN, source="the next"))
        return body

    coop.bent = change
    counts = matched_counts(coop)
    with Vault.open(shop.home.vault) as vault:
        table, _ = shop.kept_counts()
        book = PersonCounts(shop.home.person_counts, vault_id=vault.vault_id)
        read = CountedCustomers.read(vault, book, table, most_shops=4).of_agreeing(vault)
    weights = {shop.names[key]: weight for key, weight in read.items()}
    expected = one_over(counts, most=4)[shop.member_id]
    # The twin: whoever took nothing back weighs what was read.
    assert weights == {name: weight for name, weight in expected.items() if name != "cara"}
    assert weights


@pytest.mark.parametrize("calls", [0, 2, 5])
def test_after_a_crash_the_training_names_the_same_table_in_the_same_bytes(
    tmp_path: Path, sums: list[NDArray[np.float64]], calls: int
) -> None:
    coop = coop_of(tmp_path)
    counts = matched_counts(coop)
    asked = train(coop)
    with pytest.raises(CrashError):
        coop.run(calls=calls)
    # What could come between: the record of another matching that finished.
    coop.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, finished_at, state, charter_sha256,"
        " as_of_day, kind) VALUES ('00000000000000ff', 9, 0, 1, 'finished', ?, 0, 'matching')",
        coop.charter.sha256(),
    )
    coop.run()
    table = {shop.kept_counts()[0] for shop in stores_of(coop)}
    assert table == {request_of(coop, asked.programme_id).matching_table_sha256}
    for shop in stores_of(coop):
        assert len(set(shop.bodies["contribute"])) == 1
        assert len({answer.body for answer in shop.answers["contribute"]}) == 1
        assert shop.rounds_paid() == 1
    (opened,) = sums
    assert_is_sum(coop, opened, one_over(counts, most=4))


def test_a_training_without_a_matching_to_take_counts_from_is_refused(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.execute("UPDATE programmes SET state = 'failed'")
    with pytest.raises(ProgrammeRefusedError, match="none has finished yet") as caught:
        train(coop)
    assert "coop match --wait" in caught.value.next_step
    coop.execute("UPDATE programmes SET state = 'finished', charter_sha256 = x'00'")
    with pytest.raises(ProgrammeRefusedError, match="Matching 1 was held under another charter"):
        train(coop)


def test_a_training_is_refused_while_too_few_stores_can_have_counts(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    matched_counts(coop)
    coop.execute(
        "UPDATE matching_messages SET refusal = 'deadline' WHERE part = 'counts' AND member_id > ?",
        f"{2:016x}",
    )
    with pytest.raises(ProgrammeRefusedError, match="Only 2 stores have dealt with"):
        train(coop)
    coop.execute("UPDATE matching_messages SET refusal = '' WHERE member_id = ?", f"{3:016x}")
    assert train(coop).counts_from is not None


def _match_again(coop: MatchingCoop, *, read_by: int) -> None:
    """Hold another matching when the period is over; its sum is read by the first so many stores only."""
    coop.clock.now += coop.charter.privacy.period_days * 86_400
    for shop in stores_of(coop)[read_by:]:
        shop.silent = {"read"}
    coop.again("2" * 16)
    coop.match()
    for shop in stores_of(coop):
        shop.silent = set()
    assert ("finished", 2) in coop.rows("SELECT state, number FROM programmes")


@pytest.mark.parametrize("read_by", [0, 2])
def test_a_matching_that_too_few_read_leaves_trainings_the_counts_of_the_one_before(
    tmp_path: Path, sums: list[NDArray[np.float64]], read_by: int
) -> None:
    coop = coop_of(tmp_path)
    counts = matched_counts(coop)
    ((former,),) = coop.rows("SELECT programme_id FROM programmes")
    _match_again(coop, read_by=read_by)
    asked = train(coop)
    assert asked.counts_from == former
    with closing(connect(coop.database)) as connection:
        table = latest_table(connection, coop.charter)
        assert table == table_of(connection, str(former), before=asked.number)
        # An earlier training's words hang on no later matching.
        assert table_of(connection, str(former), before=2).told == SHOPS
    assert table is not None
    assert table.told == SHOPS - read_by
    said = (
        f"of the 5 stores that can take part now, {read_by} dealt with a later one's and can add noise only"
    )
    assert (said in table.in_words(list(coop.shops))) == (read_by > 0)
    coop.run()
    (opened,) = sums
    weights = one_over(counts, most=4)
    kept = {shop.member_id: weights[shop.member_id] for shop in stores_of(coop)[read_by:]}
    assert_is_sum(coop, opened, kept, *([weights] if read_by else [{}]))


def test_a_matching_that_enough_read_gives_trainings_its_own_counts(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    matched_counts(coop)
    _match_again(coop, read_by=3)
    assert train(coop).counts_from == "2" * 16


def test_a_store_that_dealt_with_a_later_matching_is_not_told_by_the_one_before(tmp_path: Path) -> None:
    """Also one that refused it, or dealt with it under another charter: what it keeps is unknown."""
    coop = coop_of(tmp_path)
    matched_counts(coop)
    _match_again(coop, read_by=3)
    coop.execute(
        "UPDATE matching_messages SET refusal = 'unavailable' WHERE part = 'counts' AND programme_id = ?"
        " AND member_id = ?",
        "2" * 16,
        f"{1:016x}",
    )
    with pytest.raises(ProgrammeRefusedError, match="Only 2 stores have dealt with what matching 2 told"):
        train(coop)
    coop.execute("UPDATE programmes SET charter_sha256 = x'00' WHERE number = 2")
    with pytest.raises(ProgrammeRefusedError, match="Matching 2 was held under another charter"):
        train(coop)
    # The twin: one that is known to have read nothing later is told.
    coop.execute(
        "DELETE FROM matching_messages WHERE part = 'counts' AND programme_id = ? AND member_id = ?",
        "2" * 16,
        f"{1:016x}",
    )
    assert train(coop).counts_from != "2" * 16
