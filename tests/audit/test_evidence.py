"""What is brought to hold a log against: what can be read is used, and the rest is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.evidence import read_evidence, read_notes
from highstreet.audit.log_download import read_evidence_file
from tests.audit.made_up_log import MadeUpLog, evidence_of, notes_of


def test_every_line_of_a_witnesss_file_is_a_note_with_its_place(log: MadeUpLog) -> None:
    found = evidence_of(log.witness_file)
    assert [each.note for each in found.notes] == notes_of(log.witness_file)
    assert [each.where for each in found.notes] == [f"{log.witness_file}, line {n}" for n in (1, 2, 3, 4)]
    assert found.unusable == ()


def test_a_damaged_line_is_named_and_hides_no_other(log: MadeUpLog) -> None:
    lines = log.witness_file.read_bytes().split(b"\n")
    log.witness_file.write_bytes(b"\n".join([lines[0], b"\xff", *lines[2:]]))
    found = evidence_of(log.witness_file)
    assert len(found.notes) == 3
    assert [each.where for each in found.unusable] == [f"{log.witness_file}, line 2"]


def test_a_note_by_itself_is_read(log: MadeUpLog) -> None:
    note = notes_of(log.witness_file)[0]
    kept = log.witness.keep_conflict(note)
    assert [each.note for each in evidence_of(kept).notes] == [note]


def test_half_a_line_is_said_to_be_missing(log: MadeUpLog) -> None:
    log.witness_file.write_bytes(log.witness_file.read_bytes()[:-7])
    found = evidence_of(log.witness_file)
    assert len(found.notes) == 3
    assert "follow the last whole line" in found.unusable[0].why


@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_a_file_that_is_not_there_or_empty_or_too_large_is_said_to_be(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "kept"
    if content is not None:
        path.write_bytes(content)
    found = read_evidence_file(path, limit_bytes=50)
    assert found.notes == ()
    assert [each.where for each in found.unusable] == [str(path)]


@given(data=st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda junk: b"{" + junk)))
@settings(deadline=None, max_examples=200)
def test_no_bytes_stop_the_reader(data: bytes) -> None:
    found = read_evidence(data, where="file")
    assert found.notes or found.unusable


def test_of_notes_that_were_sent_junk_is_named_by_its_number(log: MadeUpLog) -> None:
    good = notes_of(log.witness_file)[0].to_bytes()
    found = read_notes([good, b"junk", good], where="sent")
    assert [each.where for each in found.notes] == ["sent 1", "sent 3"]
    assert [each.where for each in found.unusable] == ["sent 2"]
