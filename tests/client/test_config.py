"""store.toml: one place for defaults, and nothing that is not a setting gets in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from highstreet.client.config import StoreConfig, default_toml, read_config, write_default_config
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store").ensure()


def test_the_file_for_people_says_the_defaults(home: StoreHome) -> None:
    assert read_config(home) == StoreConfig()
    write_default_config(home)
    assert home.config.read_text() == default_toml()
    assert read_config(home) == StoreConfig()
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o600


def test_an_owners_change_counts_and_is_never_written_over(home: StoreHome) -> None:
    home.config.write_text(default_toml().replace("max_epsilon = 3.0", "max_epsilon = 1.0"))
    write_default_config(home)
    assert read_config(home).limits.to_limits().max_epsilon == 1.0


def test_an_owner_can_demand_a_promise_to_persons(home: StoreHome) -> None:
    assert not read_config(home).limits.to_limits().require_person_unit
    home.config.write_text(default_toml().replace("person_unit = false", "person_unit = true"))
    assert read_config(home).limits.to_limits().require_person_unit


def test_an_owner_can_ask_for_re_ranked_lists_in_one_way_at_a_time(home: StoreHome) -> None:
    assert not read_config(home).suggestions.to_reranking().is_on
    home.config.write_text(default_toml().replace("calibration = 0.0", "calibration = 0.4"))
    asked = read_config(home).suggestions.to_reranking()
    assert (asked.is_on, asked.calibration, asked.small_suppliers) == (True, 0.4, 0.0)
    for text in ("calibration = 0.4\nsmall_suppliers = 0.2", "calibration = 1.5", "small_suppliers = -0.1"):
        home.config.write_text(f"[suggestions]\n{text}\n")
        with pytest.raises(StoreConfigError):
            read_config(home)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nseed = 7", "limits.seed"),
        ("seed = 7", "seed"),
        ("[limits", "Expected"),
        ("[limits]\nmax_epsilon = 0", "max_epsilon"),
        ("[limits]\nmax_epsilon = inf", "max_epsilon"),
        ("[limits]\nrequire_person_unit = 3", "require_person_unit"),
        ("[limits]\nmin_cohort_floor = 1", "min_cohort_floor"),
        ("[node]\nport = 70000", "node.port"),
        ("x = '" + "a" * 70_000 + "'", "larger than"),
    ],
)
def test_what_is_not_a_setting_is_refused_with_its_place(home: StoreHome, text: str, said: str) -> None:
    home.config.write_text(text)
    with pytest.raises(StoreConfigError, match=said) as caught:
        read_config(home)
    assert "takes part in nothing" in caught.value.next_step
