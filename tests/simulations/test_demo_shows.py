from __future__ import annotations

import io
import socket
import threading
from pathlib import Path

import pytest
from made_up_runs import made_up_run
from rich.console import Console

from highstreet.simulations.demo import pooled, stages, summary
from highstreet.simulations.demo.progress import Progress
from highstreet.simulations.demo.scene import ProcessEndedError, Scene
from highstreet.simulations.demo.sceptic import answers_plaintext, attempt
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.record import Check


def _shown(**update: object) -> str:
    console = Console(record=True, width=160, file=io.StringIO())
    record = made_up_run(names=("Corner [bold]shop", "Mill Lane")).model_copy(update=update)
    summary.show(record, console, report=Path("demo-run/report.html"))
    return console.export_text()


def test_the_summary_tells_figures_claims_and_where_the_report_is() -> None:
    shown = _shown()
    for words in (
        "Corner [bold]shop",
        "the shop alone",
        "epsilon 2.00, delta 1e-05",
        "epsilon 9.50, delta 1e-05",
        "held: A release with one byte changed",
        "1.41 times what is promised; with noise per shop it would be 2.45 times",
        ".0655 with the noise in the sum",
        "12 messages",
        "+0.003 ± 0.002",
        "demo-run/report.html",
        "Made up.",
    ):
        assert words in shown


def test_a_check_that_did_not_hold_is_not_overlooked() -> None:
    failed = Check(
        title="A release with one byte changed", expected="refused", happened="taken", passed=False
    )
    assert "DID NOT HOLD" in _shown(checks=(failed,))


def _answer(shift: float, *, customers: int) -> dict[str, object]:
    figure = {"value": 0.3 + shift, "low": 0.2 + shift, "high": 0.4 + shift, "units": customers}
    return {
        "customers": customers,
        "customers_novel": customers - 1,
        "methods": [{"name": "alone", "label": "alone", "role": "alone", "all_items": figure, "novel": None}],
        "gains": [{"against": "alone", "label": "alone", "all_items": figure, "novel": None}],
    }


def test_a_shops_figures_are_read_as_they_are() -> None:
    found = pooled.evaluation(_answer(0.0, customers=10))
    assert (found.customers, found.customers_novel) == (10, 9)
    assert found.methods[0].all_items is not None
    assert found.methods[0].all_items.low == 0.2
    assert found.methods[0].novel is None


def test_shops_count_by_their_customers_when_taken_together() -> None:
    found = pooled.together([_answer(0.0, customers=30), _answer(0.4, customers=10)])
    assert found is not None
    assert found.customers == 40
    estimate = found.gains[0].all_items
    assert estimate is not None
    assert estimate.value == pytest.approx((30 * 0.3 + 10 * 0.7) / 40)
    assert estimate.high is not None
    assert estimate.high - estimate.value == pytest.approx(((30 * 0.1) ** 2 + (10 * 0.1) ** 2) ** 0.5 / 40)
    assert found.gains[0].novel is None


def test_nothing_taken_together_is_nothing() -> None:
    assert pooled.together([]) is None
    assert pooled.pool([]) is None


def _serve_once(answer: bytes) -> int:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with server, connection:
            connection.recv(1024)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_a_port_that_speaks_grpc_in_the_clear_is_found() -> None:
    settings_frame = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    assert answers_plaintext(_serve_once(settings_frame))


@pytest.mark.parametrize("answer", [b"", b"\x15\x03\x01\x00\x02\x02\x46"])
def test_a_port_that_hangs_up_or_sends_a_tls_alert_is_not(answer: bytes) -> None:
    assert not answers_plaintext(_serve_once(answer))


def test_a_port_where_nobody_listens_does_not_pass_for_safe() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        answers_plaintext(port)


def test_a_trial_that_fails_otherwise_did_not_hold() -> None:
    def trial() -> tuple[bool, str]:
        raise SimulationsError("it broke")

    assert attempt("x", "refused", trial) == Check(
        title="x", expected="refused", happened="it broke", passed=False
    )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.make(tmp_path / "out", Progress(Console(file=io.StringIO()), steps_in_all=1))


def test_an_earlier_report_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("old")
    (out / "mine.txt").write_text("keep")
    made = Scene.make(out, Progress(Console(file=io.StringIO()), steps_in_all=1))
    assert not (out / "report.html").exists()
    assert (out / "mine.txt").read_text() == "keep"
    made.close()


def test_homes_lie_where_a_socket_path_fits(scene: Scene) -> None:
    assert len(str(scene.work / "store-12" / "run" / "store.sock")) < 100
    scene.close()
    assert not scene.work.exists()


def test_a_process_that_ends_is_told_with_the_end_of_its_log(scene: Scene) -> None:
    child = scene.start("coordinator", "nonsense")
    assert child.process is not None
    child.process.wait(timeout=60)
    with pytest.raises(ProcessEndedError, match="No such command"):
        scene.check_processes()
    assert scene.pids() == {}
    scene.close()


def test_customers_are_chosen_by_their_answer(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,consent_suggestions\nC1,no\nC2,yes\nC3,yes\n", encoding="utf-8")
    assert stages.customers_who_said(path, "consent_suggestions", "yes") == ["C2", "C3"]
    assert stages.customer_who_said(path, "consent_suggestions", "no") == "C1"
