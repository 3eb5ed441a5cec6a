from prometheus_client import CollectorRegistry, generate_latest

from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.merge import MergedCollector, lasting, merge, snapshot


def page(*parts: Metrics) -> list[str]:
    families = merge(snapshot(part.registry) for part in parts)
    registry = CollectorRegistry()
    registry.register(MergedCollector(lambda: families))
    return generate_latest(registry).decode().splitlines()


def test_counters_are_added_and_states_are_not() -> None:
    first, second = Metrics(), Metrics()
    for metrics, streams in ((first, 2), (second, 3)):
        metrics.streams_active.set(streams)
        metrics.slots_max.set(10)
        metrics.slots_free.set(5)
        metrics.streams.labels("client_done").inc(streams)
        metrics.batch_size.observe(streams)
        metrics.ready.set(1)
    second.windows.labels("scored").inc(7)
    lines = page(first, second)
    for line in (
        "dfd_streams_active 5.0",
        "dfd_stream_slots 10.0",
        "dfd_stream_slots_free 5.0",
        'dfd_streams_total{end="client_done"} 5.0',
        'dfd_windows_total{status="scored"} 7.0',
        'dfd_batch_size_bucket{le="2.0"} 1.0',
        'dfd_batch_size_bucket{le="4.0"} 2.0',
        "dfd_batch_size_count 2.0",
        "dfd_ready 1.0",
    ):
        assert line in lines, line
    second.ready.set(0)
    assert "dfd_ready 0.0" in page(first, second)


def test_the_merged_page_has_the_metrics_of_each_process() -> None:
    """Each metric occurs once, with its help and its type."""
    metrics = Metrics()
    alone = generate_latest(metrics.registry).decode().splitlines()
    heads = [line for line in alone if line.startswith("# ")]
    merged = [line for line in page(metrics, Metrics()) if line.startswith("# ")]
    assert sorted(set(merged)) == sorted(set(heads))
    assert len(merged) == len(set(merged))


def test_counts_of_an_ended_process_are_kept() -> None:
    gone = Metrics()
    gone.streams_active.set(4)
    gone.streams.labels("cancelled").inc(4)
    gone.batch_size.observe(2)
    kept = merge([lasting(snapshot(gone.registry)), snapshot(Metrics().registry)])
    values = {sample[0]: sample[2] for family in kept for sample in family[3] if not sample[1]}
    assert values["dfd_streams_active"] == 0
    assert values["dfd_batch_size_count"] == 1
    (streams,) = [family for family in kept if family[0] == "dfd_streams"]
    assert ("dfd_streams_total", {"end": "cancelled"}, 4.0) in streams[3]
