from __future__ import annotations

import json

import pytest
import torch

from highstreet.simulations.bench import measure as measuring
from highstreet.simulations.bench.measure import Measured, measure, peak_of_this_process
from highstreet.simulations.bench.private_step import run_bench, tables_of
from highstreet.simulations.bench.step_case import LEARNING_RATE, Case
from highstreet.simulations.bench.step_methods import METHODS, prepared

TINY = {"items": 30, "width": 4, "customers": 6, "taken": 5}
GB = 10**9


def after_one_step(monkeypatch, name, case):
    """The tables after one step by this method, and before."""
    made = []
    build = Case.model

    def kept(self, *, bag=True):
        made.append(build(self, bag=bag))
        return made[-1]

    monkeypatch.setattr(Case, "model", kept)
    with prepared(METHODS[name], case) as step:
        before = [p.detach().clone() for p in made[0].parameters()]
        step()
    monkeypatch.undo()
    return before, [p.detach().clone() for p in made[0].parameters()]


@pytest.mark.parametrize("tables", [1, 2])
def test_the_optimised_step_is_the_stock_step(monkeypatch, tables):
    """What privacy is compared with does the same work as everybody's code."""
    case = Case(tables=tables, **TINY)
    before, stock = after_one_step(monkeypatch, "stock", case)
    _, plain = after_one_step(monkeypatch, "plain", case)
    for start, theirs, ours in zip(before, stock, plain, strict=True):
        assert not torch.equal(start, theirs)
        # A step moves by the learning rate times a gradient; single precision keeps six digits of it.
        assert (ours - theirs).abs().max() < 1e-5 * LEARNING_RATE


@pytest.mark.parametrize("name", ["ordinary", "secure", "opacus-ghost", "opacus-hooks"])
def test_a_private_step_changes_every_row_of_every_table(monkeypatch, name):
    before, after = after_one_step(monkeypatch, name, Case(tables=2, **TINY))
    assert all((start != now).any(dim=1).all() for start, now in zip(before, after, strict=True))


def test_every_method_gets_the_same_customers_and_weights():
    case = Case(tables=2, **TINY)
    assert torch.equal(case.batch(), case.batch())
    one, other = case.model(), case.model(bag=False)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def test_what_cannot_run_is_left_out_and_says_why(monkeypatch):
    monkeypatch.setattr(measuring, "_peak_of", lambda *_: 5_000_000)
    one = {m.method: m for m in measure(Case(tables=1, **TINY), turns=2, memory_limit_bytes=GB)}
    assert one["opacus-ghost"].skipped == "refuses a table used on both sides"
    assert one["plain"].ratios == (1.0, 1.0)
    limit = METHODS["opacus-hooks"].needed_bytes(Case(tables=2, **TINY)) - 1
    two = {m.method: m for m in measure(Case(tables=2, **TINY), turns=2, memory_limit_bytes=limit)}
    assert two["opacus-hooks"].skipped.startswith("would need")
    assert len(two["secure"].seconds) == 2


def test_the_hooks_would_need_fourteen_gigabytes_at_70_000_items():
    """By hand: 3 x 70,000 x 64 x 256 x 4 bytes."""
    assert METHODS["opacus-hooks"].needed_bytes(Case(items=70_000, tables=2)) == 13_762_560_000


def test_the_table_shows_medians_and_what_was_left_out():
    case = Case(tables=2, **TINY)
    found = [
        Measured(case=case, method="plain", seconds=(0.1, 0.3, 0.2), ratios=(1.0, 1.0, 1.0), peak_bytes=GB),
        Measured(
            case=case,
            method="secure",
            seconds=(0.2, 0.3, 0.3),
            ratios=(2.0, 1.0, 1.5),
            processor_ratios=(1.2,),
            peak_bytes=GB,
        ),
        Measured(case=case, method="opacus-hooks", skipped="would need 37 GB"),
    ]
    table = tables_of(found)
    assert "| private, cryptographic noise | 1.50x (1.00-2.00), processor 1.20x, 300 ms, 1000 MB |" in table
    assert "would need 37 GB" in table
    assert "One table" not in table


def test_the_results_are_written_with_the_machine_and_its_load(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "_peak_of", lambda *_: 5_000_000)
    monkeypatch.setattr("sys.argv", ["/opt/bin/highstreet", "lab", "bench", "private-step", "--items", "40"])
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    lines = []
    paths = run_bench(tmp_path, items=[40], turns=2, memory_limit_bytes=GB, say=lines.append)
    written = json.loads(paths[0].read_text())
    assert len(written["results"]) == 2 * len(METHODS) == len(lines)
    assert written["loads"]
    assert "Load average" in paths[1].read_text()
    assert "OMP_WAIT_POLICY=active" in written["command"]
    assert written["command"].endswith("highstreet lab bench private-step --items 40")
    assert f"    {written['command']}\n" in paths[1].read_text()


def test_the_peak_of_memory_is_of_this_process_and_grows():
    before = peak_of_this_process()
    held = bytearray(300_000_000)
    held[::4096] = b"1" * len(held[::4096])
    assert peak_of_this_process() > max(before, 300_000_000)
