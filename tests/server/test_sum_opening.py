"""The committee's agreements and answers: whose counts, whose is dropped, who is asked again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from played_coop import PlayedCoop, made_charter, stores

from highstreet.privacy.secure_sum.field import HALF
from highstreet.server.committee import SURPLUS_SECONDS

CHARTER = made_charter()


def _coop(folder: Path, count: int = 6, **told: dict[str, str]) -> PlayedCoop:
    return PlayedCoop(folder, CHARTER, stores(count, **told))


def _outcome(coop: PlayedCoop) -> tuple[object, ...]:
    return coop.rows("SELECT contributors, answers, wrong, is_checked FROM rounds")[0]


@pytest.mark.parametrize("step", ["agree", "open"])
@pytest.mark.parametrize("word", ["busy", "unavailable", "garbage", "contributes", "another", "error"])
def test_who_gives_nothing_now_is_asked_again_and_counts_then(tmp_path: Path, step: str, word: str) -> None:
    told = {f"s{number}": {step: f"{word} ok"} for number in (2, 4, 6)}
    coop = _coop(tmp_path, **told)
    coop.run()
    assert coop.ended() == ("finished", "")
    assert coop.published[0].state == coop.state_after(range(1, 7))
    assert sum(len(coop.stores[number].asked[0, step]) for number in (2, 4, 6)) >= 4


@pytest.mark.parametrize("step", ["agree", "open"])
@pytest.mark.parametrize("word", ["declines", "refuses"])
def test_who_refuses_for_good_is_not_asked_for_it_again(tmp_path: Path, step: str, word: str) -> None:
    coop = _coop(tmp_path, s2={step: word})
    coop.run()
    assert coop.ended() == ("finished", "")
    assert len(coop.stores[2].asked[0, step]) == 1


def test_nobody_answers_for_another(tmp_path: Path) -> None:
    coop = _coop(tmp_path, **{f"s{number}": {"open": "another"} for number in (2, 4, 6)})
    coop.run()
    assert "3 of the 6 members of the committee gave their share of the sum in time" in coop.ended()[1]


def test_no_more_agreements_are_kept_than_go_out(tmp_path: Path) -> None:
    coop = _coop(tmp_path, **{f"s{number}": {"open": "lost"} for number in range(1, 7)})
    kept: list[object] = []

    class Clock(type(coop.clock)):  # type: ignore[misc]  # looks at the record while the answers are waited for
        def sleep(self, seconds: float) -> None:
            kept.append(coop.rows("SELECT count(*) FROM committee_replies WHERE stage = 'agreement'")[0][0])
            super().sleep(30 * seconds)

    coop.clock = Clock()
    coop.run()
    assert max(kept) == kept[-2] == 4  # type: ignore[type-var]  # counts


def test_only_the_committee_is_asked_for_agreements_and_shares(tmp_path: Path) -> None:
    coop = _coop(tmp_path, count=9)
    coop.run()
    seated = {store.number for store in coop.committee()}
    assert len(seated) == 6
    for number, store in coop.stores.items():
        steps = {step for _, step in store.asked}
        assert steps == ({"contribute", "inspect", "agree", "open"} if number in seated else {"contribute"})
    assert _outcome(coop) == (9, 6, 0, 1)


def test_a_member_that_did_not_contribute_sits_on_the_committee_all_the_same(tmp_path: Path) -> None:
    coop = _coop(tmp_path, s2={"contribute": "refuses"}, s3={"open": "vanishes"}, s4={"open": "vanishes"})
    coop.run()
    assert coop.published[0].state == coop.state_after([1, 3, 4, 5, 6])
    assert _outcome(coop) == (5, 4, 0, 0)


def test_the_log_tells_counts_and_codes_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    coop = _coop(tmp_path, s2={"open": "refuses"}, s3={"agree": "garbage"}, s5={"contribute": "foreign"})
    with caplog.at_level(logging.DEBUG, "highstreet"):
        coop.run()
    _, sha256 = coop.request()
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "own_contribution" in said
    assert "unreadable" in said
    assert "another store's" in said
    vector = coop.stores[1].vector(sha256, CHARTER.plan.phases[0].dimension)
    assert not any(str(abs(value)) in said for value in vector if abs(value) > HALF // 10_000)
    assert "shop" not in said


def test_the_wait_for_surplus_answers_is_short_and_ends_when_all_have_answered(tmp_path: Path) -> None:
    clocks = []
    for name, word in (("quick", "ok"), ("slow", "late")):
        (tmp_path / name).mkdir()
        coop = _coop(tmp_path / name, s2={"open": word})
        coop.run()
        clocks.append(coop.clock.now)
    quick, slow = clocks
    waited = slow - quick
    assert SURPLUS_SECONDS - 1 < waited < SURPLUS_SECONDS + 1
