import io
import json

import polars as pl
import pytest
from journeys import made_up_tables
from rich.console import Console
from stdnum import ean

from highstreet.simulations import lab
from highstreet.simulations.errors import InvalidSplitError, TooFewStoresError, UnreadableResultsError
from highstreet.simulations.lab import Request, run_replay


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "made-up"
    folder.mkdir()
    made = made_up_tables(stores=3, households=6)
    made.orders.rename({"day": "ordered_at"}).drop("week", "person_id").write_csv(folder / "orders.csv")
    made.products.write_parquet(folder / "products.parquet")
    return folder


def request(tmp_path, tables, **changes):
    values = {
        "out": tmp_path / "out",
        "data": tables,
        "fit_until": 8,
        "predict": "9-10",
        "catalogue_until": None,
        "epsilons": (3.0,),
        "seeds": 2,
        "conditions": ("store-popularity", "own-recency", "alone", "epsilon-3-in-sum"),
        "stores": None,
        "minimum_customers": 3,
        "catalogue_size": 20,
        "link": "gtin",
    }
    return Request(**{**values, **changes})


def quiet():
    return Console(quiet=True)


def test_replay_goes_on_where_it_stopped_and_reports_everything(tmp_path, tables, monkeypatch):
    original = lab.replay
    ran = []

    def interrupted(federation, jobs, schema, *, step):
        for done, (job, outcome) in enumerate(original(federation, jobs, schema, step=step)):
            if done == 4:
                raise KeyboardInterrupt
            ran.append(job.name)
            yield job, outcome

    monkeypatch.setattr(lab, "replay", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_replay(request(tmp_path, tables), console=quiet())
    assert ran == ["store-popularity-seed1", "own-recency-seed1", "alone-seed1", "epsilon-3-in-sum-seed1"]
    paths = run_replay(request(tmp_path, tables), console=quiet())
    assert ran[4:] == ["alone-seed2", "epsilon-3-in-sum-seed2"]
    run_replay(request(tmp_path, tables), console=quiet())
    assert len(ran) == 6
    by_ending = {path.suffix: path.read_text(encoding="utf-8") for path in paths}
    rows = json.loads(by_ending[".json"])["rows"]
    assert [(row["condition"]["name"], row["seeds"]) for row in rows][-1] == ("epsilon-3-in-sum", 2)
    assert set(rows[-1]["against"]) == {"store-popularity", "own-recency", "alone"}
    assert "a person who shops in up to" in by_ending[".md"]
    assert "given as canonical tables" in by_ending[".md"]
    assert "shares of 3 shops; floor 3, up to 1 colluding, committee of 3" in by_ending[".md"]
    assert rows[-1]["details"]["secure_sum"]["surplus"] == pytest.approx(1.0, rel=1e-6)
    assert by_ending[".html"].count("<svg") == 3
    assert "http" not in by_ending[".html"].split("<body>")[0]


def test_a_person_is_promised_as_much_as_a_customer_where_contributions_are_divided(tmp_path, tables):
    names = ("epsilon-3-in-sum", "epsilon-3-person-in-sum", "epsilon-3-worst-case-in-sum")
    paths = run_replay(request(tmp_path, tables, seeds=1, conditions=names), console=quiet())
    rows = {row["condition"]["name"]: row for row in json.loads(paths[1].read_text())["rows"]}
    assert tuple(rows) == names
    for name, said in zip(
        names, ("20 shops", "divided by their number", "divided by that number"), strict=True
    ):
        customer, person = rows[name]["claims"]
        assert customer.startswith("epsilon 3.00, delta 1e-05 for a customer of one shop")
        assert person.startswith("epsilon 3.00") == (name != "epsilon-3-in-sum")
        assert said in person
        assert rows[name]["condition"]["title"] in paths[2].read_text()
    assert "weights" not in rows[names[0]]["details"]
    assert "k known exactly" in rows[names[1]]["details"]["weights"]["rule"]
    means = [rows[name]["details"]["clients_per_store"] for name in names]
    assert means == [75, 24, 4]


def test_changed_code_or_data_is_run_anew(tmp_path, tables, monkeypatch):
    only = {"conditions": ("store-popularity",)}
    run_replay(request(tmp_path, tables, **only), console=quiet())
    with (tables / "orders.csv").open("a") as more:
        more.write("s0,h0-0,p1,2024-02-20,1.0,1.0\n")
    again = []
    original = lab.replay

    def watched(federation, jobs, schema, *, step):
        again.extend(job.name for job in jobs)
        return original(federation, jobs, schema, step=step)

    monkeypatch.setattr(lab, "replay", watched)
    run_replay(request(tmp_path, tables, **only), console=quiet())
    assert again == ["store-popularity-seed1"]


def test_other_attributes_of_products_are_another_result(tmp_path, tables):
    def fingerprint(**columns):
        place = tables / "products.parquet"
        products = pl.read_parquet(place)
        codes = [str(400638133393 + number) for number in range(len(products))]
        gtin = pl.Series("gtin", [code + ean.calc_check_digit(code) for code in codes])
        products.with_columns(gtin, **columns).write_parquet(place)
        paths = run_replay(request(tmp_path, tables, conditions=("affinity",)), console=quiet())
        note = tmp_path / "out" / "runs" / paths[0].stem / "runs" / "affinity-seed1.json"
        return json.loads(note.read_text())["fingerprint"]

    found = [
        fingerprint(category=pl.lit("food")),
        fingerprint(category=pl.lit("drink")),
        fingerprint(category=pl.lit("drink"), price=pl.lit(2.0)),
        fingerprint(category=pl.lit("drink"), price=pl.lit(20.0)),
    ]
    assert len(set(found)) == 4


def test_data_that_end_before_the_last_week_to_predict_are_said_to(tmp_path, tables):
    (report, *_) = run_replay(
        request(tmp_path, tables, predict="9-99", conditions=("popularity",)), console=quiet()
    )
    assert "the data end in week 10, before the last one to predict" in report.read_text()


def test_brackets_in_names_are_shown_as_they_are(tmp_path, tables):
    (tables.parent / "made[").mkdir()
    place = tables.rename(tables.parent / "made[" / "red] [bold]up")
    screen = Console(record=True, width=1000, file=io.StringIO())
    asked = request(tmp_path, place, out=tmp_path / "out [1]", conditions=("popularity",))
    for _ in range(2):  # the second reads what the first one kept
        run_replay(asked, console=screen)
    said = screen.export_text()
    assert f"Reading {place} ..." in said
    assert "red] [bold]up, fit 1-8" in said
    assert f"Reports: {tmp_path / 'out [1]'}/red-bold-up-fit8-predict9-10-20products-from3.md" in said


def test_results_of_data_with_names_in_any_script_are_kept_apart(tmp_path, tables):
    names = []
    for name in ("店", "متجر"):
        tables = tables.rename(tables.parent / name)
        asked = request(tmp_path, tables, conditions=("popularity",))
        names.append(run_replay(asked, console=quiet())[0].name)
    assert names == ["店-fit8-predict9-10-20products-from3.md", "متجر-fit8-predict9-10-20products-from3.md"]


def test_newcomers_who_buy_nothing_to_predict_are_refused(tmp_path, tables):
    orders = pl.read_csv(tables / "orders.csv")
    # Only who shops at s0 comes back, and s0 is not one that joins.
    last = pl.col("ordered_at") >= str(made_up_tables(stores=3, households=6).orders["day"].min())
    kept = orders.filter(last & ((pl.col("store_id") == "s0") | (pl.col("ordered_at") < "2024-02-26")))
    kept.write_csv(tables / "orders.csv")
    asked = request(tmp_path, tables, conditions=("popularity",), newcomers=2)
    with pytest.raises(InvalidSplitError, match="weeks 9 to 10"):
        run_replay(asked, console=quiet())


def test_a_report_that_cannot_be_written_is_said(tmp_path, tables):
    (tmp_path / "out" / "made-up-fit8-predict9-10-20products-from3.md").mkdir(parents=True)
    with pytest.raises(UnreadableResultsError, match="report could not be written"):
        run_replay(request(tmp_path, tables, conditions=("popularity",)), console=quiet())


def test_fewer_shops_are_taken_from_all_sizes(tmp_path, tables):
    paths = run_replay(request(tmp_path, tables, stores=2, conditions=("popularity",)), console=quiet())
    assert json.loads(paths[1].read_text())["facts"]["shops"] == 2
    assert paths[0].name == "made-up-fit8-predict9-10-20products-from3-2shops.md"


def test_what_is_asked_for_otherwise_is_kept_beside_it(tmp_path, tables):
    changes = ({}, {"catalogue_size": 10}, {"minimum_customers": 4}, {"catalogue_until": 7})
    paths = [
        run_replay(request(tmp_path, tables, conditions=("popularity",), **change), console=quiet())[0]
        for change in changes
    ]
    assert len(set(paths)) == len(list((tmp_path / "out" / "runs").iterdir())) == len(changes)


def test_persons_whom_no_claim_covers_are_counted(tmp_path, tables):
    asked = request(tmp_path, tables, conditions=("popularity",))
    assert "Persons who shop in more than" not in run_replay(asked, console=quiet())[0].read_text()
    products = pl.read_parquet(tables / "products.parquet")["product_id"]
    with (tables / "orders.csv").open("a") as more:
        for shop in range(21):
            for customer in ("anna", f"b{shop}", f"c{shop}"):
                more.write(f"t{shop},{customer},{products[0]},2024-01-03,1.0,1.0\n")
    report, record, _ = run_replay(asked, console=quiet())
    assert "Persons who shop in more than 20 of the shops that train: 1." in report.read_text()
    assert json.loads(record.read_text())["facts"]["in_more_shops"] == 1


def test_other_terms_of_the_secure_sum_are_another_result(tmp_path, tables):
    def fingerprint(**changes):
        paths = run_replay(
            request(tmp_path, tables, conditions=("epsilon-3-in-sum",), **changes), console=quiet()
        )
        notes = (tmp_path / "out" / "runs" / paths[0].stem).rglob("epsilon-3-in-sum-seed1.json")
        return json.loads(next(notes).read_text())["fingerprint"]

    assert fingerprint(seeds=1) != fingerprint(seeds=1, colluders=2)


def test_too_few_shops_for_a_secure_sum_are_refused_before_anything_is_run(tmp_path, tables):
    with pytest.raises(TooFewStoresError, match="2 shops"):
        run_replay(request(tmp_path, tables, stores=2), console=quiet())
    assert not list((tmp_path / "out").rglob("*-seed1.json"))


def test_unknown_link_is_refused(tmp_path, tables):
    with pytest.raises(InvalidSplitError, match="link"):
        run_replay(request(tmp_path, tables, link="names"), console=quiet())


def test_damaged_results_are_named(tmp_path, tables):
    only = {"conditions": ("store-popularity",)}
    run_replay(request(tmp_path, tables, **only), console=quiet())
    note = next((tmp_path / "out").rglob("store-popularity-seed1.json"))
    note.with_suffix(".parquet").write_bytes(b"rubbish")
    with pytest.raises(UnreadableResultsError, match="damaged"):
        run_replay(request(tmp_path, tables, **only), console=quiet())
    note.write_text("[")
    with pytest.raises(UnreadableResultsError, match="not a result"):
        run_replay(request(tmp_path, tables, **only), console=quiet())


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, tables):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UnreadableResultsError, match="cannot be used"):
        run_replay(request(tmp_path, tables), console=quiet())
