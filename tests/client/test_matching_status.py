"""What a shop's owner sees of matchings, and what becomes of a count when a customer takes back a yes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.charter import MATCHING, Charter, MatchingTerms
from highstreet.audit.limits import StoreLimits
from highstreet.cli import main
from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import PersonCounts
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_log import noted
from highstreet.client.store_status import store_status
from highstreet.client.vault import Vault
from highstreet.privacy.matching import (
    Counts,
    IdentifierKind,
    MatchedStore,
    MatchingStore,
    identifier_input,
)
from tests.client.made_up_context import OWN, matching_context

_COLUMNS = "customer_id,consent_coop_learning,consent_matching,consent_recorded_at,email"
_WHEN = "2025-01-02T10:00:00Z"
CUSTOMERS = f"""{_COLUMNS}
ann,yes,yes,{_WHEN},ann@example.org
bob,yes,yes,{_WHEN},bob@example.org
cat,yes,yes,{_WHEN},cat@example.org
dan,yes,yes,{_WHEN},dan@example.org
eve,yes,yes,{_WHEN},
fay,yes,no,{_WHEN},fay@example.org
gus,no,yes,{_WHEN},gus@example.org
"""
TABLE = b"t" * 32


@pytest.fixture
def store(
    found: Callable[..., Any],
    run_coop: Callable[..., Any],
    charter_with: Callable[..., Charter],
    limits: StoreLimits,
    tmp_path: Path,
) -> StoreHome:
    """A member of a co-op that matches, with seven customers."""
    charter = charter_with(
        purposes=(*charter_with().purposes, MATCHING), matching=MatchingTerms(identifiers_per_store=5)
    )
    coop = run_coop(found(charter=charter))
    home = StoreHome(tmp_path / "store").ensure()
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    assert main(["store", "import", str(tmp_path / "customers.csv"), "--home", str(home.root)]) == 0
    allowed = replace(limits, purposes=(*limits.purposes, MATCHING))
    join_coop(home, coop.invite("Mill"), allowed, now=datetime.now(UTC))
    return home


def _vault_id(home: StoreHome) -> str:
    with Vault.open(home.vault) as vault:
        return vault.vault_id


def _counts(home: StoreHome) -> PersonCounts:
    return PersonCounts(home.person_counts, vault_id=_vault_id(home))


def _keys(home: StoreHome, *names: str) -> list[str]:
    with Vault.open(home.vault) as vault:
        return [str(vault.customer_key(name)) for name in names]


def _match(home: StoreHome, **shops: int) -> None:
    """Leave behind what a matching that was begun on day 20,779 leaves behind."""
    context = matching_context()
    with MatchingState.open(home.matching, vault_id=_vault_id(home)) as state:
        state.begin(context, day=20_779, period_days=30)
        store = state.draw_store(context, OWN, {"1": b"input"}, consent_position=0)
        state.keep_matched(context, _matched(store))
        state.give_table(context, TABLE)
        state.destroy(context.request_sha256)
    keys = _keys(home, *shops)
    with Vault.open(home.vault) as vault:
        position = ConsentDesk(vault).position()
    _counts(home).save(
        TABLE,
        Counts(dict(zip(keys, shops.values(), strict=True))),
        {
            key: identifier_input(IdentifierKind.EMAIL, f"{name}@example.org")
            for key, name in zip(keys, shops, strict=True)
        },
        consent_position=position,
    )


def _matched(store: MatchingStore) -> MatchedStore:
    return MatchedStore(
        shape=store.context.shape,
        mask_seed=b"m" * 32,
        made_up_seed=b"u" * 32,
        dummies=store.dummies,
        tags={"1": b"t" * 64},
    )


def _said(capsys: pytest.CaptureFixture[str], home: StoreHome, *words: str) -> str:
    capsys.readouterr()
    assert main(["store", *words, "--home", str(home.root)]) == 0
    return capsys.readouterr().out


def test_before_a_matching_the_owner_sees_who_could_be_counted(
    capsys: pytest.CaptureFixture[str], store: StoreHome
) -> None:
    said = _said(capsys, store, "status")
    assert "Matching: 5 customers said yes to it and to co-op learning." in said
    assert "1 of them have no e-mail address here" in said
    assert "No matching has told anything yet." in said
    with MatchingState.open(store.matching, vault_id=_vault_id(store)) as state:
        state.begin(matching_context(), day=20_779, period_days=30)
    assert "A matching is under way." in _said(capsys, store, "status")


def test_after_it_the_owner_sees_how_many_shop_at_how_many_shops(
    capsys: pytest.CaptureFixture[str], store: StoreHome
) -> None:
    _match(store, ann=1, bob=3, cat=3)
    said = _said(capsys, store, "status")
    assert "By the matching of 2026-11-22: 1 shop here alone, 2 at 3 shops of the co-op." in said
    assert "1 who agreed are not counted" in said
    assert "under way" not in said
    found = json.loads(_said(capsys, store, "status", "--json"))["matching"]
    assert (found["agreed"], found["nameless"], found["unknown"]) == (5, 1, 1)
    assert found["by_shops"] == {"1": 1, "3": 2}
    assert "example.org" not in json.dumps(found)
    shown = _said(capsys, store, "consent", "show", "bob")
    assert "shops of the co-op, by the latest matching: 3" in shown
    assert "by the latest matching: not counted" in _said(capsys, store, "consent", "show", "dan")


def test_who_has_another_address_than_was_counted_is_in_no_total(
    capsys: pytest.CaptureFixture[str], store: StoreHome, tmp_path: Path
) -> None:
    _match(store, ann=1, bob=3, cat=3)
    assert "1 shop here alone, 2 at 3 shops" in _said(capsys, store, "status")  # the twin
    rows = (f"bob,yes,yes,{_WHEN},robert@example.org", f"cat,yes,yes,{_WHEN},")
    (tmp_path / "corrected.csv").write_text("\n".join([_COLUMNS, *rows]) + "\n")
    assert main(["store", "import", str(tmp_path / "corrected.csv"), "--home", str(store.root)]) == 0
    said = _said(capsys, store, "status")
    assert "By the matching of 2026-11-22: 1 shop here alone." in said
    assert "2 who agreed are not counted" in said  # bob and dan; cat cannot be counted
    assert "by the latest matching: not counted" in _said(capsys, store, "consent", "show", "bob")


def test_a_sum_that_was_not_to_be_used_is_said(capsys: pytest.CaptureFixture[str], store: StoreHome) -> None:
    _counts(store).refuse(TABLE)
    assert "was not to be used here: nobody is counted" in _said(capsys, store, "status")


def test_more_than_may_take_part_are_said(store: StoreHome, tmp_path: Path) -> None:
    rows = [f"x{n},yes,yes,{_WHEN},x{n}@example.org" for n in range(3)]
    (tmp_path / "more.csv").write_text("\n".join([_COLUMNS, *rows]) + "\n")
    assert main(["store", "import", str(tmp_path / "more.csv"), "--home", str(store.root)]) == 0
    matching = store_status(store).matching
    assert matching is not None
    assert any(
        line.startswith("  By the charter at most 5 take part, drawn by lot; a promise that rests on counts")
        for line in matching.lines()
    )


def test_a_shop_of_a_co_op_that_matches_nobody_sees_nothing_of_it(
    coop: Any, limits: StoreLimits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = StoreHome(tmp_path / "plain").ensure()
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    assert main(["store", "import", str(tmp_path / "customers.csv"), "--home", str(home.root)]) == 0
    join_coop(home, coop.invite("Plain"), limits, now=datetime.now(UTC))
    assert "Matching:" not in _said(capsys, home, "status")
    assert "by the latest matching" not in _said(capsys, home, "consent", "show", "ann")


@pytest.mark.parametrize("purpose", ["coop_learning", "matching"])
def test_who_takes_back_a_yes_has_no_count_any_more_also_after_another_yes(
    capsys: pytest.CaptureFixture[str], store: StoreHome, purpose: str
) -> None:
    _match(store, ann=1, bob=3, cat=3)
    _said(capsys, store, "consent", "record", "fay", purpose, "no")
    _said(capsys, store, "consent", "record", "bob", "suggestions_here", "no")
    kept = _counts(store).latest()
    assert kept is not None
    assert kept.shops == dict(zip(_keys(store, "ann", "bob", "cat"), (1, 3, 3), strict=True))
    _said(capsys, store, "consent", "record", "bob", purpose, "no")
    _said(capsys, store, "consent", "record", "bob", purpose, "yes")
    kept = _counts(store).latest()
    assert kept is not None
    assert kept.shops == dict(zip(_keys(store, "ann", "cat"), (1, 3), strict=True))


def test_a_file_that_takes_back_a_yes_takes_the_count_as_well(store: StoreHome, tmp_path: Path) -> None:
    _match(store, ann=1, bob=3)
    (tmp_path / "later.csv").write_text(f"{_COLUMNS}\nann,yes,no,2026-01-02T10:00:00Z,ann@example.org\n")
    assert main(["store", "import", str(tmp_path / "later.csv"), "--home", str(store.root)]) == 0
    kept = _counts(store).latest()
    assert kept is not None
    assert kept.shops == dict(zip(_keys(store, "bob"), (3,), strict=True))


def test_what_a_killed_process_left_half_written_of_the_counts_goes_with_the_next_write(
    store: StoreHome,
) -> None:
    _match(store, ann=1)
    leftover = store.person_counts.with_name(f".{store.person_counts.name}.12345.tmp")
    leftover.write_text('{"shops": {"1": 7}')
    other = store.person_counts.with_name(".charter.json.12345.tmp")
    other.write_text("not ours to remove")
    _counts(store).forget(_keys(store, "ann"))
    assert not leftover.exists()
    assert other.exists()


def test_the_log_of_what_left_says_what_each_message_of_a_matching_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = StoreHome(tmp_path / "store").ensure()
    steps = [Step.MATCHING_KEY, Step.BLINDED_LIST, Step.EVALUATIONS, Step.TABLE, Step.COUNTS]
    for step in steps:
        given = RoundAnswer(body=b"x", step=step, programme_id="a" * 16, phase="matching")
        noted(lambda body, given=given: given, home)(b"asked")
    said = _said(capsys, home, "rounds")
    assert said.count(f"matching {'a' * 16}") == len(steps)
    for part in ("/list", "/table"):  # named as `store attestation` takes it
        assert said.count(f"matching {'a' * 16}{part}: 1 bytes left: ") == 1
    for words in (
        "a key that is destroyed when the matching is over",
        "a list of blinded identifiers, as long as every shop's",
        "what this shop's key makes of other shops' blinded lists",
        "a masked table, as large as every shop's",
        "that word and no count",
    ):
        assert words in said
    assert "Noise inside" not in said
