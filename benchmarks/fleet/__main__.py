"""`python -m dfd.benchmarks.fleet`: the model of capacity, and a simulated fleet."""

import json

import click

from dfd.benchmarks.fleet.costs import NodeKind, fit_pass_cost, plan
from dfd.benchmarks.fleet.node import NodeOptions
from dfd.benchmarks.fleet.simulation import FleetOptions, simulate

# `dfd bench model --batch 1,8,16 --threads 1`, docs/performance.md: seconds of a pass
_PASSES = ((1, 1 / 119), (8, 8 / 168), (16, 16 / 176))


@click.command()
@click.option("--nodes", type=int, default=10, show_default=True, help="Nodes to simulate.")
@click.option("--streams", type=int, default=1500, show_default=True, help="Streams on them.")
@click.option("--slowdown", type=float, default=1.45, show_default=True, help="Of a pass.")
@click.option("--jitter", type=float, default=0.35, show_default=True, help="Of a pass.")
@click.option("--seconds", type=float, default=30.0, show_default=True, help="Of the service.")
@click.option("--kill-at", type=float, help="When one node is killed.  [default: never]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option("--plan", "planned", type=int, help="Nodes and price of so many streams instead.")
@click.option("--front-ms", type=float, default=2.2, show_default=True, help="CPU of a stream.")
@click.option("--front-cores", type=float, default=1.0, show_default=True, help="Of a node.")
@click.option("--scorers", type=int, default=1, show_default=True, help="Of a node.")
@click.option("--rate", type=float, default=121.0, show_default=True, help="Windows/s of one.")
@click.option("--price", type=float, default=0.08, show_default=True, help="Of a node and hour.")
@click.option("--utilisation", type=float, default=0.6, show_default=True, help="Share to use.")
@click.option("--spare-nodes", type=int, default=2, show_default=True, help="More than needed.")
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
    scorers: int,
    rate: float,
    price: float,
    utilisation: float,
    spare_nodes: int,
) -> None:
    """Simulates nodes of dfd, or says how many a number of streams needs; writes JSON."""
    if planned is not None:
        kind = NodeKind(
            name="node",
            front_cores=front_cores,
            front_seconds=front_ms / 1000.0,
            scorers=scorers,
            windows_per_second=rate,
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
        }
    else:
        node = NodeOptions(pass_cost=fit_pass_cost(_PASSES), slowdown=slowdown, jitter=jitter)
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
