"""A co-op's folder appears whole, private and once, or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from highstreet.audit.charter import (
    COOP_LEARNING,
    MATCHING,
    Charter,
    CoopIdentity,
    MatchingTerms,
    RoundTerms,
)
from highstreet.audit.charter_format import from_toml, to_toml
from highstreet.audit.claims import check_promise, claims_of, trainings_in_a_period
from highstreet.audit.errors import CharterError, EpsilonClaimError
from highstreet.audit.requests import mechanism_of
from highstreet.cli import main
from highstreet.files import DiskFullError
from highstreet.models.programme import check_plan, measured_parts
from highstreet.privacy.releases import NoisePlacement, Weighting
from highstreet.server import founding
from highstreet.server.errors import CoopExistsError, NoCoopError, SettingsError
from highstreet.server.founding import (
    Founding,
    default_charter,
    ensure_server_certificate,
    found_coop,
    read_charter_file,
)
from highstreet.server.home import CoopHome

Make = Callable[..., Charter]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _decided(charter: Charter, **changes: object) -> Founding:
    plain = Founding(charter=charter, host="127.0.0.1", listen="127.0.0.1", base_port=20_000)
    return replace(plain, **changes)  # type: ignore[arg-type]  # names are checked by dataclasses


def test_everything_is_there_and_for_its_owner_only(coop_home: CoopHome) -> None:
    assert CoopHome.open(coop_home.root) == coop_home
    for path in [coop_home.root, *coop_home.root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert coop_home.config().member_address == "127.0.0.1:20001"
    assert coop_home.charter().coop.name == "Hill Road"


def test_a_second_founding_leaves_the_first_as_it_is(
    found: Callable[..., CoopHome], charter_with: Make
) -> None:
    home = found()
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    with pytest.raises(CoopExistsError, match="left as it is"):
        found_coop(home.root, _decided(charter_with()), now=NOW)
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, charter_with: Make) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CoopExistsError, match="not empty"):
        found_coop(tmp_path, _decided(charter_with()), now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("failing_write", range(8))
def test_a_full_disk_at_any_write_leaves_nothing(
    tmp_path: Path, charter_with: Make, monkeypatch: pytest.MonkeyPatch, failing_write: int
) -> None:
    written = 0
    write = founding.write_private

    def fails_once(path: Path, data: bytes) -> None:
        nonlocal written
        if written == failing_write:
            raise DiskFullError("There is no room left.", next_step="Free some space.")
        written += 1
        write(path, data)

    monkeypatch.setattr(founding, "write_private", fails_once)
    with pytest.raises(DiskFullError):
        found_coop(tmp_path / "coop", _decided(charter_with()), now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_founding_that_was_killed_does_not_stand_in_the_way(tmp_path: Path, charter_with: Make) -> None:
    leftover = tmp_path / ".coop.being-made" / "keys"
    leftover.mkdir(parents=True)
    (leftover / "ca.key").write_text("half a key")
    home = found_coop(tmp_path / "coop", _decided(charter_with()), now=NOW)
    assert home.charter()
    assert [path.name for path in tmp_path.iterdir()] == ["coop"]


def test_a_folder_without_a_charter_is_no_co_op(tmp_path: Path) -> None:
    with pytest.raises(NoCoopError, match="no co-op"):
        CoopHome.open(tmp_path)


@pytest.mark.parametrize("port", [0, 80, 65_535, 65_531])
def test_a_base_port_without_room_is_refused(tmp_path: Path, charter_with: Make, port: int) -> None:
    with pytest.raises(SettingsError, match="no room for five"):
        found_coop(tmp_path / "coop", _decided(charter_with(), base_port=port), now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_charter_that_breaks_its_promise_founds_nothing(tmp_path: Path, charter_with: Make) -> None:
    charter = charter_with()
    broken = replace(charter, privacy=replace(charter.privacy, epsilon=0.5))
    with pytest.raises(EpsilonClaimError):
        found_coop(tmp_path / "coop", _decided(broken), now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_the_default_charter_costs_just_under_its_epsilon() -> None:
    charter = founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date())
    assert 1.98 < check_promise(charter).customer.epsilon <= 2.0
    assert charter.plan.phases[-1].name == "evaluation"
    assert check_plan(charter.plan).holdout_days == 14


def test_a_charter_for_several_trainings_shares_its_epsilon_among_them() -> None:
    charter = founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), trainings=4)
    assert charter.privacy.epsilon == 2.0
    assert trainings_in_a_period(charter) == 4
    assert 1.98 < claims_of(charter, trainings=4).customer.epsilon <= 2.0
    once = founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date())
    assert trainings_in_a_period(once) == 1
    ratio = charter.plan.phases[0].noise_multiplier / once.plan.phases[0].noise_multiplier
    assert 1.9 < ratio < 2.1  # four Gaussian sums cost as one of half the noise


def test_the_default_charter_adds_noise_once_and_takes_the_floor_it_is_given() -> None:
    charter = founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), floor=7)
    assert charter.privacy.noise is NoisePlacement.ONCE_IN_SUM
    assert charter.rounds == replace(RoundTerms(), cohort_floor=7)
    three = founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date())
    assert three.rounds == RoundTerms()
    for phase in charter.plan.phases:  # six honest stores share what two have to make
        share = mechanism_of(phase, charter, participants=7)
        alone = mechanism_of(phase, three, participants=7)
        assert share.noise_stddev(contributors=7) < 0.7 * alone.noise_stddev(contributors=7)


def test_a_charter_about_persons_keeps_its_epsilon_for_a_person_in_so_many_shops() -> None:
    drafted = founding.default_charter(
        "Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), floor=5, shops_per_person=6
    )
    claims = check_promise(drafted)
    assert 1.98 < claims.person.epsilon <= 2.0
    assert (claims.person.k, claims.person.weighting) == (6, Weighting.ONE_OVER_MOST)
    assert (drafted.plan.clients_per_store, drafted.plan.params["cooccurrence_ridge"]) == (13, 10.0)
    usual = founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), floor=5)
    assert [phase.noise_multiplier for phase in drafted.plan.phases] == [
        phase.noise_multiplier for phase in usual.plan.phases
    ]


def test_a_charter_that_matches_takes_weights_from_counts_and_keeps_its_epsilon() -> None:
    terms = MatchingTerms(identifiers_per_store=300, identifier_kind="loyalty-number")
    drafted = founding.default_charter(
        "Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), shops_per_person=6, matching=terms
    )
    claims = check_promise(drafted)
    assert 1.98 < claims.person.epsilon == claims.customer.epsilon <= 2.0
    assert (claims.person.k, claims.person.weighting) == (6, Weighting.ONE_OVER_SHOPS)
    assert (drafted.purposes, drafted.matching) == ((COOP_LEARNING, MATCHING), terms)
    assert from_toml(to_toml(drafted)) == drafted
    with pytest.raises(SettingsError, match="promise to persons"):
        founding.default_charter("Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), matching=terms)


def test_a_matching_that_no_committee_can_hold_founds_nothing(tmp_path: Path) -> None:
    drafted = founding.default_charter(
        "Hill Road", epsilon=2.0, delta=1e-5, today=NOW.date(), shops_per_person=3, matching=MatchingTerms()
    )
    two = replace(drafted, rounds=replace(drafted.rounds, colluders=2))
    with pytest.raises(CharterError, match="committee of 6 of which 2 may collude"):
        found_coop(tmp_path / "coop", _decided(two), now=NOW)
    seven = replace(two, rounds=replace(two.rounds, committee_size=7))
    assert found_coop(tmp_path / "coop", _decided(seven), now=NOW).charter() == seven


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": RoundTerms(cohort_floor=2)}, "at least 3"),
        (
            {"rounds": RoundTerms(cohort_floor=4, colluders=4, committee_size=9)},
            "above the 4 who may collude",
        ),
        ({"rounds": RoundTerms(cohort_floor=9, colluders=6, committee_size=6)}, "cannot stand 6 colluding"),
    ],
)
def test_terms_that_do_not_go_together_found_nothing(
    tmp_path: Path, charter_with: Make, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(CharterError, match=words):
        found_coop(tmp_path / "coop", _decided(charter_with(**changes)), now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_the_field_has_no_room_for_founds_nothing(tmp_path: Path, charter_with: Make) -> None:
    charter = charter_with()
    crowded = replace(charter, plan=replace(charter.plan, clients_per_store=10**9))
    with pytest.raises(
        CharterError, match=r"Phase 0 \(popularity\) cannot be summed over 3 stores"
    ) as caught:
        found_coop(tmp_path / "coop", _decided(crowded), now=NOW)
    assert "clients per store" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_a_sum_too_large_for_a_message_founds_nothing(tmp_path: Path, charter_with: Make) -> None:
    charter = charter_with(rounds=RoundTerms(cohort_floor=250))
    with pytest.raises(CharterError, match="over 64 MiB"):
        found_coop(tmp_path / "coop", _decided(charter), now=NOW)


def test_an_edited_charter_is_checked_the_same_way(tmp_path: Path, charter_with: Make) -> None:
    file = tmp_path / "c.toml"
    file.write_text(to_toml(charter_with(rounds=RoundTerms(cohort_floor=2))))
    with pytest.raises(CharterError, match="at least 3"):
        founding.read_charter_file(file)


def test_an_edited_charter_takes_force_while_nobody_is_in(coop_home: CoopHome, charter_with: Make) -> None:
    edited = coop_home.charter_toml.read_text().replace("cohort_floor = 3", "cohort_floor = 4")
    coop_home.charter_toml.write_text(edited)
    founding.resign_charter(coop_home, founding.read_charter_file(coop_home.charter_toml))
    assert coop_home.charter().rounds.cohort_floor == 4


def test_another_co_ops_charter_does_not_take_force(coop_home: CoopHome, charter_with: Make) -> None:
    foreign = charter_with(coop=CoopIdentity(id="99" * 16, name="Other", created="2026-01-01"))
    (coop_home.root / "foreign.toml").write_text(to_toml(foreign))
    before = coop_home.charter_json.read_bytes()
    with pytest.raises(SettingsError, match="another co-op"):
        founding.resign_charter(coop_home, founding.read_charter_file(coop_home.root / "foreign.toml"))
    assert coop_home.charter_json.read_bytes() == before


def test_the_server_certificate_is_kept_renewed_and_repaired(coop_home: CoopHome) -> None:
    now = datetime.now(UTC)
    first = coop_home.server_certificate.read_bytes()
    ensure_server_certificate(coop_home, now=now)
    assert coop_home.server_certificate.read_bytes() == first
    ensure_server_certificate(coop_home, now=now + timedelta(days=350))
    second = coop_home.server_certificate.read_bytes()
    assert second != first
    coop_home.server_key.write_bytes(coop_home.ca_key.read_bytes())  # as after a crash between the two files
    ensure_server_certificate(coop_home, now=now + timedelta(days=350))
    assert coop_home.server_certificate.read_bytes() != second


_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
from highstreet.cli import main
status = main(sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.exit(status)
"""


def test_a_really_full_disk_gets_a_sentence_and_changes_nothing(tmp_path: Path, charter_with: Make) -> None:
    charter_file = tmp_path / "edited.toml"
    charter_file.write_text(to_toml(charter_with()))
    arguments = ["coop", "init", "--home", str(tmp_path / "coop"), "--charter", str(charter_file)]
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert "Free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["edited.toml"]


def test_a_charter_that_measures_bias_has_the_phase_and_the_usual_rules(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "charter.toml"
    assert main(["coop", "charter", "default", "--measure", "history", "--measure", "exposure"]) == 0
    file.write_text(capsys.readouterr().out)
    charter = read_charter_file(file)
    assert measured_parts(charter.plan) == ("exposure", "history")
    assert {rule.part for rule in charter.bias_limits.rules} == {"exposure", "history"}
    assert charter.plan.phases[-1].name == "bias"
    assert main(["coop", "charter", "check", str(file)]) == 0
    said = capsys.readouterr().out
    assert "history_against_popularity" in said
    assert "customers in each group" in said
    assert "nobody can override them" in said
    plain = default_charter("Hill", epsilon=3.0, delta=1e-5, today=date(2026, 1, 1))
    assert plain.bias_limits.rules == ()
    assert [phase.name for phase in plain.plan.phases][-1] == "evaluation"


def test_rules_about_what_nobody_measures_are_not_signed(tmp_path: Path) -> None:
    charter = default_charter("Hill", epsilon=3.0, delta=1e-5, today=date(2026, 1, 1), measured=["history"])
    text = to_toml(charter).replace('groups = "history"', 'groups = "tenure"')
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(CharterError, match="which no phase measures"):
        read_charter_file(tmp_path / "c.toml")
