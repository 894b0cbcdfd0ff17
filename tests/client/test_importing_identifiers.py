"""What customers are matched by comes with their file, and goes when the shop says something else."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.errors import FileNotUnderstoodError, TooManyProblemsError
from highstreet.client.importing.importer import FileOutcome, Importer
from highstreet.client.importing.records import Problem
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind, identifier_input
from highstreet.privacy.matching.identifiers import normalise
from tests.client.conftest import NOW, contents
from tests.client.imported import Load, fresh_vault_of

CUSTOMER_HEADER = "customer_id,consent_coop_learning,consent_recorded_at,email,loyalty_number\n"


class TestIdentifiers:
    """What customers are matched by: in its one spelling, the latest word of the shop, never shown."""

    @staticmethod
    def _file(path: Path, *rows: str, header: str = CUSTOMER_HEADER) -> Path:
        path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        return path

    def test_they_are_kept_in_their_one_spelling(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        rows = ("ann,,, Ａnn@Example.COM ,0042", "ben,yes,2025-01-01,ben@example.org,", "cat,,,,")
        (result,) = load(self._file(tmp_path / "c.csv", *rows))
        assert contents(vault)["identifiers"] == [
            ("ann", "email", "ann@example.com"),
            ("ann", "loyalty-number", "0042"),
            ("ben", "email", "ben@example.org"),
        ]
        assert result.saved is not None
        assert (result.saved.customers, result.saved.identifiers) == (3, 3)
        assert result.understanding is not None
        assert result.understanding.ignored_columns == 0
        said = " ".join(result.understanding.in_words())
        assert "2 with an e-mail address or loyalty number" in said
        assert "1 of 1 asked said yes to learning together with the co-op." in said

    def test_consent_to_matching_comes_in_a_column(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        header = "customer_id,consent_matching,consent_recorded_at\n"
        load(self._file(tmp_path / "c.csv", "ann,yes,2025-01-01", "ben,no,2025-01-01", header=header))
        assert [row[:3] for row in contents(vault)["consents"]] == [
            ("ann", "matching", "given"),
            ("ben", "matching", "refused"),
        ]

    def test_the_latest_file_replaces_and_an_empty_cell_takes_away(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        load(self._file(tmp_path / "1.csv", "ann,,,ann@old.org,1", "ben,,,ben@old.org,2"))
        (result,) = load(self._file(tmp_path / "2.csv", "ann,,,ann@new.org,1", "ben,,,,2"))
        assert result.saved is not None
        assert result.saved.identifiers == 2
        kept = [
            ("ann", "email", "ann@new.org"),
            ("ann", "loyalty-number", "1"),
            ("ben", "loyalty-number", "2"),
        ]
        assert contents(vault)["identifiers"] == kept
        files = b"".join(file.read_bytes() for file in vault.path.parent.iterdir())
        assert b"@new.org" in files
        assert b"@old.org" not in files  # overwritten, left neither in free space nor in a log
        without = "customer_id,consent_recorded_at\n"
        load(self._file(tmp_path / "3.csv", "ann,", "ben,", header=without))  # says nothing of them
        assert contents(vault)["identifiers"] == kept

    def test_of_two_in_one_file_the_last_counts(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        load(self._file(tmp_path / "c.csv", "ann,,,first@a.org,", "ann,,,last@a.org,", "ann,,,then@a.org,"))
        assert contents(vault)["identifiers"] == [("ann", "email", "then@a.org")]

    @pytest.mark.parametrize(
        "odd", ["-", "none", "a@b@c", "@b.org", "a b@c.org", "a\u200b@c.org", "a@" + "b" * 300]
    )
    def test_one_that_cannot_be_one_is_told_by_line_and_never_shown(
        self, load: Load, tmp_path: Path, vault: Vault, odd: str
    ) -> None:
        load(self._file(tmp_path / "1.csv", "ann,,,ann@old.org,1"))
        (result,) = load(self._file(tmp_path / "2.csv", f"ann,yes,2025-01-01,{odd},1", "ben,,,,"))
        assert result.understanding is not None
        (problem,) = result.understanding.left_out
        assert problem.first_lines == (2,)
        assert "e-mail address or loyalty number that cannot be one" in problem.in_words()
        assert odd not in problem.in_words() or odd == "-"
        held = contents(vault)
        assert held["identifiers"] == [("ann", "loyalty-number", "1")]  # the old address is not hers any more
        assert [row[:3] for row in held["consents"]] == [("ann", "coop_learning", "given")]

    def test_a_loyalty_number_that_a_spreadsheet_rounded_makes_nobody_one(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        rows = (f"{name},,,{name}@example.org,7.12346E+12" for name in ("ann", "ben"))
        (result,) = load(self._file(tmp_path / "c.csv", *rows))
        assert result.understanding is not None
        assert [(p.problem, p.count) for p in result.understanding.left_out] == [(Problem.ODD_IDENTIFIER, 2)]
        assert {row[1] for row in contents(vault)["identifiers"]} == {"email"}

    def test_many_odd_ones_do_not_refuse_the_file(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        load(self._file(tmp_path / "c.csv", *(f"c{n},,,unknown,{n}" for n in range(20))))
        assert len(contents(vault)["identifiers"]) == 20

    def test_shopifys_customers_are_matched_by_e_mail(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        header = "Name,Email,Created at,Lineitem quantity,Lineitem name\n"
        rows = (
            "#1,Ann@Example.com,2026-05-01 09:50:26 +0200,1,Tea",
            "#1,,,2,Rye",
            "#2,till 2,2026-05-01 09:50:26 +0200,1,Tea",
            "#3,ann@example.com,2026-05-02 09:50:26 +0200,1,Tea",
        )
        (result,) = load(self._file(tmp_path / "o.csv", *rows, header=header))
        held = contents(vault)
        assert held["identifiers"] == [("ann@example.com", "email", "ann@example.com")]
        assert len(held["lines"]) == 4  # what the till sold is there
        assert result.understanding is not None
        assert [count.first_lines for count in result.understanding.left_out] == [(4,)]

    def test_they_go_with_the_customer(self, load: Load, tmp_path: Path, vault: Vault) -> None:
        load(self._file(tmp_path / "c.csv", "ann,,,ann@a.org,1", "ben,,,ben@a.org,2"))
        with vault.write() as connection:
            connection.execute("DELETE FROM customers WHERE customer_id = 'ann'")
        assert {row[0] for row in contents(vault)["identifiers"]} == {"ben"}

    def test_files_imported_before_identifiers_were_kept_can_be_imported_once_more(
        self, load: Load, tmp_path: Path, vault: Vault
    ) -> None:
        file = self._file(tmp_path / "c.csv", "ann,yes,2025-01-01,ann@a.org,1")
        load(file)
        before = contents(vault)
        _as_version_2_left_it(vault)
        with Vault.open(vault.path) as again:
            assert contents(again)["identifiers"] == []
            (result,) = Importer(again, now=NOW).run([file])
            assert result.outcome is FileOutcome.SAVED
            after = contents(again)
        assert {name: rows for name, rows in after.items() if name != "imports"} == {
            name: rows for name, rows in before.items() if name != "imports"
        }

    @settings(max_examples=60, deadline=None)
    @given(cells=st.lists(st.text(max_size=20), min_size=1, max_size=6))
    def test_whatever_is_kept_can_be_hashed_and_is_its_own_spelling(self, cells: list[str]) -> None:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["customer_id", "consent_recorded_at", "email", "loyalty_number"])
        for number, cell in enumerate(cells):
            writer.writerow([f"c{number}", "", cell.replace("\x00", ""), cell.replace("\x00", "")])
        try:
            held = fresh_vault_of([("c.csv", out.getvalue().encode("utf-8", "replace"))])
        except (FileNotUnderstoodError, TooManyProblemsError):
            return
        for _, kind, value in held["identifiers"]:
            assert normalise(str(value)) == value
            assert identifier_input(IdentifierKind(str(kind)), str(value))


def _as_version_2_left_it(vault: Vault) -> None:
    """Take away what later versions know: identifiers, and of consents all but plain answers."""
    for table in (
        "identifiers",
        "customer_attributes",
        "exclusions",
        "notices",
        "pseudonyms",
        "rights_requests",
    ):
        vault.connection.execute(f"DROP TABLE {table}")
    vault.connection.execute("ALTER TABLE consents RENAME TO later")
    vault.connection.execute(
        "CREATE TABLE consents (position INTEGER PRIMARY KEY, customer INTEGER NOT NULL,"
        " purpose TEXT NOT NULL, answer TEXT NOT NULL, recorded_at INTEGER NOT NULL, source TEXT NOT NULL)"
    )
    vault.connection.execute(
        "INSERT INTO consents SELECT position, customer, purpose,"
        " CASE act WHEN 'given' THEN 'grant' ELSE 'withdrawal' END, \"at\", source FROM later"
    )
    for table in ("later", "consent_anchor"):
        vault.connection.execute(f"DROP TABLE {table}")
    vault.connection.execute("PRAGMA user_version = 2")
    vault.path.with_name("consent.head").unlink()
