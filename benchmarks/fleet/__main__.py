"""`python -m dfd.benchmarks.fleet`: plans capacity, or simulates a fleet."""

import json
from collections.abc import Sequence
from typing import TextIO

import click

from dfd.benchmarks.fleet.costs import NodeKind, fit_pass_cost, passes_of, plan
from dfd.benchmarks.fleet.node import NodeOptions
from dfd.benchmarks.fleet.simulation import FleetOptions, simulate

_BATCH = 16
# Windows with one new hop each, and seconds of a pass, of the bundled 2026.11.8 in int8:
# dfd bench model --batch 1,2,4,8 --threads 1 --cpu-time --peer none --precision int8
# (docs/scaling.md)
_PASSES: Sequence[tuple[float, float]] = (
    (2, 1 / 70.0),
    (4, 2 / 80.3),
    (8, 4 / 85.5),
    (16, 8 / 87.1),
)


@click.command()
@click.option(
    "--nodes", type=int, default=10, show_default=True, help="Number of nodes to simulate."
)
@click.option(
    "--streams",
    type=int,
    default=1500,
    show_default=True,
    help="Number of streams on all nodes together.",
)
@click.option(
    "--slowdown",
    type=float,
    default=1.3,
    show_default=True,
    help="Factor on the time of each pass, for the front's work beside it.",
)
@click.option(
    "--jitter", type=float, default=0.35, show_default=True, help="Spread of the time of a pass."
)
@click.option(
    "--seconds", type=float, default=30.0, show_default=True, help="Simulated time in seconds."
)
@click.option("--kill-at", type=float, help="Second at which one node is killed.  [default: never]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random numbers.")
@click.option(
    "--plan",
    "planned",
    type=int,
    help="Print the nodes and the price for this many streams instead.",
)
@click.option(
    "--front-ms",
    type=float,
    default=2.0,
    show_default=True,
    help="CPU milliseconds per second of a stream, without the classifier.",
)
@click.option(
    "--front-cores",
    type=float,
    default=1.0,
    show_default=True,
    help="Cores of a node for everything but the classifier.",
)
@click.option(
    "--report",
    type=click.File(),
    help="What `dfd bench model --threads 1 --report` wrote, for the time of a pass and the rate."
    "  [default: of the bundled model]",
)
@click.option(
    "--precision", default="int8", show_default=True, help="Which results of the report to take."
)
@click.option(
    "--new-seconds",
    type=float,
    default=2.0,
    show_default=True,
    help="How much of each window is new to the model: a hop for the bundled one, else all of it.",
)
@click.option("--scorers", type=int, default=1, show_default=True, help="Scorers of a node.")
@click.option(
    "--rate",
    type=float,
    help="Windows per second of one scorer.  [default: in batches of 16, beside the front]",
)
@click.option(
    "--price", type=float, default=0.08, show_default=True, help="Price of a node per hour."
)
@click.option(
    "--utilisation", type=float, default=0.6, show_default=True, help="Share of a node to use."
)
@click.option(
    "--spare-nodes", type=int, default=2, show_default=True, help="Nodes beyond those needed."
)
def main(
    nodes: int,
    streams: int,
    slowdown: float,
    jitter: float,
    seconds: float,
    kill_at: float | None,
    seed: int,
    planned: int | None,
    front_ms: float,
    front_cores: float,
    report: TextIO | None,
    precision: str,
    new_seconds: float,
    scorers: int,
    rate: float | None,
    price: float,
    utilisation: float,
    spare_nodes: int,
) -> None:
    """Simulates nodes that run dfd, or plans nodes for a number of streams; prints JSON.

    Both rest on one line through the time of passes of several sizes, times `--slowdown`.
    """
    passes = _PASSES
    if report is not None:
        passes = passes_of(json.load(report), precision, new_seconds)
    cost = fit_pass_cost(passes)
    if planned is not None:
        kind = NodeKind(
            name="node",
            front_cores=front_cores,
            front_seconds=front_ms / 1000.0,
            scorers=scorers,
            windows_per_second=rate or _BATCH / (slowdown * cost.seconds(_BATCH)),
            price_per_hour=price,
        )
        found = plan(
            kind, planned, hop_seconds=2.0, utilisation=utilisation, spare_nodes=spare_nodes
        )
        told: dict[str, object] = {
            "streams_each": found.streams_each,
            "nodes": found.nodes,
            "price_per_hour": round(found.price_per_hour, 2),
            "limit": kind.limit(2.0),
            "windows_per_second": round(kind.windows_per_second, 1),
        }
    else:
        node = NodeOptions(pass_cost=cost, slowdown=slowdown, jitter=jitter)
        result = simulate(
            FleetOptions(
                nodes=nodes,
                streams=streams,
                node=node,
                seconds=seconds,
                kill_at=kill_at,
                seed=seed,
            )
        )
        told = {
            "p50_ms": round(1000 * result.tally.percentile(0.5)),
            "p95_ms": round(1000 * result.tally.percentile(0.95)),
            "p99_ms": round(1000 * result.tally.percentile(0.99)),
            "shed_share": round(result.tally.shed_share, 4),
        }
        if kill_at is not None:
            told |= {
                "moved": len(result.away),
                "p99_ms_after": round(1000 * result.after.percentile(0.99)),
                "all_back_seconds": round(result.back_seconds, 2),
            }
    click.echo(json.dumps(told))


if __name__ == "__main__":
    main()
