from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from highstreet.simulations.demo import answers, evidence, machine
from highstreet.simulations.demo.commands import CommandFailedError, CommandLine, Transcript, in_parallel
from highstreet.simulations.demo.kept import KeptCoop, StillRunningError, refuse_if_kept, stop_kept
from highstreet.simulations.demo.memory import MemoryUse, memory_of
from highstreet.simulations.demo.progress import Progress


@pytest.fixture
def commands(tmp_path: Path) -> CommandLine:
    return CommandLine(environment=dict(os.environ), transcript=Transcript(path=tmp_path / "commands.txt"))


def test_a_command_is_run_and_written_down(commands: CommandLine) -> None:
    assert commands.run("--version").startswith("highstreet ")
    assert commands.transcript.path.read_text().startswith("highstreet --version   # exit 0, ")


def test_a_command_that_fails_is_told_with_its_last_words(commands: CommandLine) -> None:
    with pytest.raises(CommandFailedError) as caught:
        commands.run("nonsense")
    assert caught.value.status == 2
    assert "No such command" in caught.value.what
    assert str(commands.transcript.path) in caught.value.next_step


def test_an_expected_refusal_is_handed_back(commands: CommandLine) -> None:
    assert "No such command" in commands.run("nonsense", expect=2)


def test_a_success_where_a_refusal_was_expected_is_a_failure(commands: CommandLine) -> None:
    with pytest.raises(CommandFailedError, match="where 1 was expected"):
        commands.run("--version", expect=1)


def test_an_answer_that_is_not_json_is_told(commands: CommandLine) -> None:
    with pytest.raises(CommandFailedError):
        commands.json("--version")


def test_lines_are_handed_over_as_they_come(commands: CommandLine) -> None:
    lines: list[str] = []
    commands.watch("--help", each_line=lines.append, limit_seconds=60)
    assert any("Usage" in line for line in lines)


def test_a_command_over_its_time_is_ended_and_told(commands: CommandLine) -> None:
    with pytest.raises(CommandFailedError):
        commands.watch("--help", each_line=lambda _: None, limit_seconds=0.001)


def test_an_invitation_code_is_not_written_down(tmp_path: Path) -> None:
    transcript = Transcript(path=tmp_path / "commands.txt")
    transcript.add(["store", "join", "SECRETCODE", "--home", "x"], 0, 0.1)
    assert "SECRETCODE" not in transcript.path.read_text()


def test_parallel_results_keep_the_order_and_failures_come_out() -> None:
    assert in_parallel(lambda value: value * value, [3, 1, 2], at_once=2) == [9, 1, 4]
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda value: 1 // value, [1, 0], at_once=2)


def test_answers_are_read_or_refused() -> None:
    answer = {"name": "x", "count": 3, "rate": 0.5, "items": [{"a": 1}], "inner": {"b": 2}, "flag": True}
    assert answers.text(answer, "name") == "x"
    assert answers.count(answer, "count") == 3
    assert answers.count(answer, "missing") == 0
    assert answers.number(answer, "rate") == 0.5
    assert answers.rows(answer, "items")[0]["a"] == 1
    assert answers.table(answer, "inner")["b"] == 2
    for read, name in (
        (answers.text, "count"),
        (answers.number, "flag"),
        (answers.count, "name"),
        (answers.rows, "inner"),
        (answers.table, "items"),
        (answers.text, "missing"),
    ):
        with pytest.raises(answers.UnexpectedAnswerError, match=name):
            read(answer, name)


def test_memory_of_a_process_is_at_least_what_it_holds() -> None:
    held = memory_of([os.getpid()], step="holding")
    assert held.rss_bytes > 10 << 20
    assert held.processes == 1
    assert held.step == "holding"


def test_an_ended_process_counts_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert memory_of([ended.pid]) == MemoryUse()


def test_machine_is_described_with_its_versions() -> None:
    found = machine.describe(MemoryUse(rss_bytes=5, processes=2, step="x"))
    assert found.cores >= 1
    assert found.memory_bytes > 1 << 28
    assert found.versions["torch"].startswith("2.")
    assert (found.peak_rss_bytes, found.peak_processes, found.peak_step) == (5, 2, "x")


def test_free_ports_can_all_be_taken() -> None:
    import socket

    first = machine.free_ports_in_a_row(5)
    taken = [socket.create_server(("127.0.0.1", port)) for port in range(first, first + 5)]
    assert machine.free_ports_in_a_row(5) not in range(first - 4, first + 5)
    for each in taken:
        each.close()


def test_names_are_taken_from_the_files_without_their_headers(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("product_id,title\nS1-000001,Oat biscuits\nS1-000002,Tea\n", encoding="utf-8")
    assert evidence.names_in_files([path]) == {b"S1-000001", b"Oat biscuits", b"S1-000002"}


def test_a_kept_coop_is_found_refused_and_stopped(tmp_path: Path) -> None:
    keeper = subprocess.Popen(["sleep", "600"])
    try:
        started = Path(f"/proc/{keeper.pid}/stat").read_text().rpartition(")")[2].split()[19]
        KeptCoop(pid=keeper.pid, started=started, work="homes").write(tmp_path)
        with pytest.raises(StillRunningError, match="still running"):
            refuse_if_kept(tmp_path)
        assert stop_kept(tmp_path)
        assert keeper.wait(timeout=30) == -15
        assert not stop_kept(tmp_path)
        refuse_if_kept(tmp_path)
    finally:
        keeper.kill()


def test_a_reused_process_id_is_not_taken_for_the_kept_coop(tmp_path: Path) -> None:
    KeptCoop(pid=os.getpid(), started="1", work="homes").write(tmp_path)
    assert KeptCoop.find(tmp_path) is None
    assert not stop_kept(tmp_path)


def test_progress_tells_every_step_with_its_time() -> None:
    console = Console(record=True, force_terminal=False, width=100, file=io.StringIO())
    progress = Progress(console, steps_in_all=2)
    with progress.step("Join [six] shops"):
        progress.detail("one")
    with pytest.raises(ZeroDivisionError), progress.step("Train"):  # noqa: PT012  the step is what is tested
        progress.detail("round 3")
        _ = 1 // 0
    shown = console.export_text()
    assert "1/2 ✓ Join [six] shops" in shown
    assert "2/2 ✗ Train" in shown
    assert "round 3" in shown
    assert [step.name for step in progress.steps] == ["Join [six] shops"]
