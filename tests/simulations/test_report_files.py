import pytest

from highstreet.simulations.audits.command import run_audit
from highstreet.simulations.bench import private_step, secure_sum
from highstreet.simulations.bench.sum_measure import Limits
from highstreet.simulations.bias_lab import BiasRequest, run_bias
from highstreet.simulations.errors import UnreadableResultsError
from highstreet.simulations.report_files import ready_folder, write_whole


def run_step(out):
    private_step.run_bench(out, items=[2], turns=2, memory_limit_bytes=10**9, say=print)


def run_sums(out):
    limits = Limits(seconds=1, memory_bytes=10**9)
    secure_sum.run_bench(
        secure_sum.Asked(out=out, stores=[5], dimensions=[1], turns=1, limits=limits), say=print
    )


@pytest.mark.parametrize(
    "run",
    [
        lambda out: run_bias(BiasRequest(out=out), say=print),
        lambda out: run_audit(out, short=True, seed=1),
        run_step,
        run_sums,
    ],
)
def test_no_measurement_begins_that_has_nowhere_to_be_kept(tmp_path, run, capsys):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UnreadableResultsError, match="cannot be used for results") as refusal:
        run(tmp_path / "out")
    assert "--out" in refusal.value.next_step
    assert not capsys.readouterr().out


def test_trying_a_folder_leaves_nothing_behind(tmp_path):
    ready_folder(tmp_path / "new" / "folder")
    assert not list((tmp_path / "new" / "folder").iterdir())


def test_files_are_written_whole_or_a_sentence_says_why_not(tmp_path):
    assert write_whole(tmp_path / "new", {"a.md": "text"}) == [tmp_path / "new" / "a.md"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.md"]
    (tmp_path / "new" / "b.md").mkdir()
    with pytest.raises(UnreadableResultsError, match="report could not be written"):
        write_whole(tmp_path / "new", {"b.md": "text"})
