from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.vitals.capacity import Capacity
from dfd.daemon.vitals.vitals import Vitals


async def test_metrics_can_be_read_before_any_model_is_watched() -> None:
    """A scrape may come while the first model's capacity is still being measured."""
    metrics = Metrics()
    capacity = Capacity(lambda: 0.0, 3.0, 1.5)
    vitals = Vitals(ServeOptions(), metrics, capacity, lambda *_: None)
    await vitals.watch([])
    value = metrics.registry.get_sample_value("dfd_oldest_window_seconds")
    assert value == 0.0
    await vitals.stop()
