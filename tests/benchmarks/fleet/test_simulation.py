from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("simpy", reason="no simulation: pip install 'dfd[plan]'")

from dfd.benchmarks.fleet.costs import PassCost
from dfd.benchmarks.fleet.node import NodeOptions, Tally
from dfd.benchmarks.fleet.simulation import FleetOptions, simulate

# a scorer with 125 windows per second in full batches, so 250 streams at most
NODE = NodeOptions(pass_cost=PassCost(0.0, 0.008), jitter=0.0)
ONE = FleetOptions(nodes=1, streams=100, node=NODE, seconds=20.0)


def test_a_node_is_fast_below_its_capacity_and_sheds_above_it() -> None:
    light = simulate(ONE)
    assert light.tally.percentile(0.99) < 0.2
    assert light.tally.shed == 0
    assert len(light.tally.latencies) == pytest.approx(100 * 19 / 2, rel=0.06)
    heavy = simulate(replace(ONE, streams=350, seconds=60.0))
    assert heavy.tally.percentile(0.5) > 1.0
    assert heavy.tally.shed_share == pytest.approx(1 - 250 / 350, abs=0.12)


def test_two_nodes_have_twice_the_capacity_of_one() -> None:
    assert simulate(replace(ONE, nodes=2, streams=400)).tally.shed == 0
    assert simulate(replace(ONE, streams=400)).tally.shed > 0


def test_streams_of_a_killed_node_reconnect_to_the_others() -> None:
    options = replace(ONE, nodes=4, streams=400, kill_at=10.0)
    result = simulate(options)
    assert len(result.away) == 100
    assert 0.1 < result.back_seconds < 2.0
    assert result.after.shed == 0
    # and where the others were full already, all suffer
    full = simulate(replace(options, streams=900))
    assert full.after.percentile(0.99) > 2 * result.after.percentile(0.99)


def test_the_same_seed_gives_the_same_result() -> None:
    one, other = simulate(ONE), simulate(ONE)
    assert one.tally.latencies == other.tally.latencies
    assert simulate(replace(ONE, seed=1)).tally.latencies != one.tally.latencies


def test_a_tally_without_windows_has_no_percentiles() -> None:
    assert Tally().percentile(0.99) == 0.0
    assert Tally().shed_share == 0.0


def test_the_command_writes_json(tmp_path: Path) -> None:
    import json

    from click.testing import CliRunner

    from dfd.benchmarks.fleet.__main__ import main

    told = json.loads(CliRunner().invoke(main, ["--plan", "1000", "--rate", "100"]).output)
    assert told == {
        "streams_each": 120,
        "nodes": 11,
        "price_per_hour": 0.88,
        "limit": "scoring",
        "windows_per_second": 100.0,
    }
    results = [
        {"engine": "torchscript", "precision": "fp32", "batch": batch, "windows_per_second": 40.0}
        for batch in (1, 8)
    ]
    report = tmp_path / "model.json"
    report.write_text(json.dumps({"window_seconds": 4.0, "results": results}))
    given = ["--plan", "1000", "--report", str(report), "--precision", "fp32", "--slowdown", "1"]
    told = json.loads(CliRunner().invoke(main, given).output)
    assert told["windows_per_second"] == 80.0  # half of each window is new
    run = ["--nodes", "2", "--streams", "40", "--seconds", "8", "--kill-at", "4"]
    assert json.loads(CliRunner().invoke(main, run).output)["moved"] == 20
