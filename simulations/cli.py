"""Commands for researchers and for trying things: `highstreet lab`, `highstreet sample`.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highstreet.command_groups import command_group
from highstreet.simulations.demo.command import demo

__all__ = ["demo", "lab_app", "sample_app"]

lab_app = command_group("lab", "For researchers: whole federations in one process.")
_bench_app = command_group("bench", "Speed and memory, always as ratios in one run.")
lab_app.add_typer(_bench_app)
sample_app = command_group("sample", "The sample co-op: files to try things with.")

_REPLAY_HELP = """Let a whole co-op learn and be judged in one process, with the code real stores run.

With --out alone this is the published benchmark: the Complete Journey, 108 shops, fitted on weeks 1-45,
judged on weeks 46-53, at epsilon 1, 2, 3, 8, five seeds. It takes hours. Each finished result is written at
once: stop with Ctrl-C and run the same command again to go on; the report is brought up to date every time.

\b
Try it small first (minutes):
  highstreet lab replay --out /tmp/lab --stores 10 --seeds 1 --epsilon 3
Choose on the tuning weeks, look at the report weeks once:
  highstreet lab replay --out /tmp/lab --fit-until 40 --predict 41-45
Shops that join with 20 customers and no past:
  highstreet lab replay --out /tmp/lab --newcomers 0
Your own data (a folder with orders.csv and products.csv; columns: highstreet lab schema):
  highstreet lab replay --out /tmp/lab --data my-tables --fit-until 30 --predict 31-35
"""


@lab_app.callback()
def _lab() -> None:
    """For researchers: whole federations in one process."""


@sample_app.callback()
def _sample() -> None:
    """The sample co-op: files to try things with."""


@lab_app.command("replay", help=_REPLAY_HELP)
def replay_command(  # noqa: PLR0913  typer reads options from parameters
    out: Annotated[Path, typer.Option(help="Folder for results and reports.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of canonical tables; the Complete Journey if not given.")
    ] = None,
    fit_until: Annotated[int, typer.Option(min=1, help="Last week fitted on.")] = 45,
    predict: Annotated[str, typer.Option(help="Weeks to predict, as 46-53.")] = "46-53",
    catalogue_until: Annotated[
        int | None,
        typer.Option(help="Last week shops and products are chosen on; 40 at most by default."),
    ] = None,
    epsilon: Annotated[
        list[float] | None,
        typer.Option(help="Privacy at delta 1e-5; repeat for several. Default 1, 2, 3 and 8."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds of each noisy condition.")] = 5,
    condition: Annotated[
        list[str] | None, typer.Option(help="Only this condition; give it several times. Default all.")
    ] = None,
    stores: Annotated[int | None, typer.Option(min=1, help="Only so many shops, of all sizes.")] = None,
    minimum_customers: Annotated[int, typer.Option(min=1, help="Customers a shop must have.")] = 20,
    catalogue_size: Annotated[int, typer.Option(min=1, help="Products ranked, at most.")] = 5000,
    link: Annotated[
        str,
        typer.Option(help="How shops recognise products: gtin (bar code) or descriptors (attributes only)."),
    ] = "gtin",
    newcomers: Annotated[
        int | None,
        typer.Option(min=0, help="Judge shops that only join now, with so many weeks of past."),
    ] = None,
    floor: Annotated[
        int | None,
        typer.Option(min=3, help="Fewest shops whose sum is opened. Default 80 % of them, rounded up."),
    ] = None,
    colluders: Annotated[
        int, typer.Option(min=0, help="Shops that may work with the coordinator; the noise allows for it.")
    ] = 1,
) -> None:
    """Run, resume and report a replay."""
    from highstreet.simulations.conditions import EPSILONS
    from highstreet.simulations.lab import Request, run_replay

    run_replay(
        Request(
            out=out,
            data=data,
            fit_until=fit_until,
            predict=predict,
            catalogue_until=catalogue_until,
            epsilons=tuple(epsilon or EPSILONS),
            seeds=seeds,
            conditions=tuple(condition or ()),
            stores=stores,
            minimum_customers=minimum_customers,
            catalogue_size=catalogue_size,
            link=link,
            newcomers=newcomers,
            floor=floor,
            colluders=colluders,
        )
    )


@lab_app.command("bias")
def bias_command(
    out: Annotated[Path, typer.Option(help="Folder for runs, bias.md, bias.json and bias.html.")],
    epsilon: Annotated[
        list[float] | None, typer.Option(help="Privacy at delta 1e-5; repeat for several. Default 1 and 3.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds of each condition.")] = 5,
    weigh: Annotated[
        list[str] | None,
        typer.Option(help="One more training with groups weighted, as age_band.45_54=0.5; repeat."),
    ] = None,
    fit_until: Annotated[int, typer.Option(min=1, help="Last week fitted on.")] = 45,
    predict: Annotated[str, typer.Option(help="Weeks to predict, as 46-53.")] = "46-53",
    stores: Annotated[int | None, typer.Option(min=1, help="Only so many shops, of all sizes.")] = None,
    catalogue_size: Annotated[int, typer.Option(min=1, help="Products ranked, at most.")] = 5000,
) -> None:
    """Measure the benchmark's model for bias: groups of customers, products shown, what mitigation costs.

    At each epsilon, without privacy, every shop alone, and popularity. It takes hours for all shops; each
    finished run is kept, and the same command goes on. Small first: --stores 6 --seeds 1 --epsilon 3.
    """
    from highstreet.simulations.bias_lab import BiasRequest, run_bias, weights_of
    from highstreet.simulations.protocol import parse_weeks

    request = BiasRequest(
        out=out,
        epsilons=tuple(epsilon or (1.0, 3.0)),
        seeds=seeds,
        weights=weights_of(weigh or ()),
        fit_until=fit_until,
        predict=parse_weeks(predict),
        stores=stores,
        catalogue_size=catalogue_size,
    )
    for path in run_bias(request, say=lambda line: typer.echo(line, err=True)):
        typer.echo(path)


@lab_app.command("bias-report")
def bias_report_command(
    folder: Annotated[Path, typer.Argument(help="Holds the bias.json of `lab bias`.")],
) -> None:
    """Write bias.md and bias.html again from bias.json; nothing is run."""
    from highstreet.simulations.bias_report import rewrite_bias_report

    for path in rewrite_bias_report(folder):
        typer.echo(path)


@lab_app.command("audit")
def audit_command(
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    short: Annotated[bool, typer.Option("--short", help="A few minutes instead of an hour.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of shops, canaries and coins, not of the noise.")] = 1,
) -> None:
    """Attack the shipped training path and compare what is proven with what is claimed.

    Gaussian canaries, one-run audits, membership inference by likelihood ratio and leak tests on
    transcripts, at epsilon 1, 3, 8 and with the noise off. Ends with 1 when a bound is above its claim or a
    leak is not found.
    """
    from highstreet.simulations.audits.command import run_audit

    if not run_audit(out, short=short, seed=seed):
        raise typer.Exit(1)


@_bench_app.callback()
def _bench() -> None:
    """Speed and memory, always as ratios in one run."""


@_bench_app.command("private-step")
def private_step_command(
    out: Annotated[Path, typer.Option(help="Folder for private-step.json and private-step.md.")],
    items: Annotated[
        list[int] | None, typer.Option(min=2, help="Items; repeat for several. Default 2,000 to 200,000.")
    ] = None,
    turns: Annotated[int, typer.Option(min=2, help="Timed steps of each method.")] = 11,
    memory_limit: Annotated[float, typer.Option(min=1, help="GB; a method that needs more is skipped.")] = 16,
) -> None:
    """Time a private training step on item tables against the same step without privacy, and Opacus."""
    from highstreet.simulations.bench.private_step import ITEMS, run_bench

    paths = run_bench(
        out,
        items=items or ITEMS,
        turns=turns,
        memory_limit_bytes=int(memory_limit * 1e9),
        say=lambda line: typer.echo(line, err=True),
    )
    for path in paths:
        typer.echo(path)


@_bench_app.command("secure-sum")
def secure_sum_command(
    out: Annotated[Path, typer.Option(help="Folder for secure-sum.json and secure-sum.md.")],
    stores: Annotated[
        list[int] | None, typer.Option(min=5, help="Stores; repeat for several. Default 5, 20, 50, 200.")
    ] = None,
    dimension: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Coordinates; repeat for several. Default 10,000 to 1,000,000."),
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="Timed rounds of each side.")] = 3,
    limit_seconds: Annotated[
        float, typer.Option(min=1, help="Processor seconds; a round that needs more is left out.")
    ] = 90,
    memory_limit: Annotated[float, typer.Option(min=1, help="GB; a round that needs more is left out.")] = 6,
) -> None:
    """Time and weigh the secure sum beside Flower's SecAgg+, all parties in one process.

    Each case is written at once: stop with Ctrl-C and run the same command again to go on.
    """
    from highstreet.simulations.bench.secure_sum import DIMENSIONS, STORES, Asked, run_bench
    from highstreet.simulations.bench.sum_measure import Limits

    limits = Limits(seconds=limit_seconds, memory_bytes=int(memory_limit * 1e9))
    asked = Asked(
        out=out, stores=stores or STORES, dimensions=dimension or DIMENSIONS, turns=turns, limits=limits
    )
    for path in run_bench(asked, say=lambda line: typer.echo(line, err=True)):
        typer.echo(path)


@lab_app.command("schema")
def schema_command() -> None:
    """Print the columns of the tables that `lab replay --data` reads."""
    from highstreet.simulations import tables

    typer.echo((tables.__doc__ or "").strip())


@lab_app.command("conditions")
def conditions_command() -> None:
    """List what a replay compares; each name can be given to `--condition`."""
    from highstreet.simulations.conditions import EPSILONS, conditions_for

    for each in conditions_for(EPSILONS):
        typer.echo(f"{each.name:<28} {each.title}")


@sample_app.command("split")
def split_command(
    out: Annotated[Path, typer.Option(help="Folder to write to; made anew.")],
    stores: Annotated[int, typer.Option(min=1, help="How many shops, of different sizes.")] = 6,
    until_week: Annotated[int, typer.Option(min=1, max=52, help="Last week in orders.csv.")] = 45,
    stand_in_gtin: Annotated[
        bool, typer.Option(help="Fill the bar code column with demonstration codes.")
    ] = False,
) -> None:
    """Write a few shops' exports, as CSV files that `highstreet store import` takes like anybody's."""
    from highstreet.simulations.sample import write_sample

    for shop in write_sample(out, stores=stores, until_week=until_week, stand_in_gtin=stand_in_gtin):
        typer.echo(
            f"{shop.name}: {shop.customers} customers ({shop.coop_learning} yes to co-op learning, drawn), "
            f"{shop.products} products, {shop.order_lines} order lines, {shop.holdout_lines} held back"
        )
    typer.echo(f"Written to {out}. Read README.txt there. Next: highstreet store import {out}/SHOP")
