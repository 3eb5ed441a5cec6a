"""How many replicas there should be: a function that Serve's controller calls.

It is copied there, so it imports nothing of dfd.
"""

from typing import Any

BATCHES = "batches"
# Batches that wait or run at a replica on average, beyond which another replica is added: with one
# it is busy all the time, and a daemon has no second batch under way.
_WANTED_BATCHES = 0.8


def wanted(context: Any) -> tuple[float, dict[str, Any]]:
    """Returns how many replicas the present load wants; Serve applies its limits and delays.

    Args:
        context: Serve's `AutoscalingContext`.
    """
    waiting = (context.aggregated_metrics or {}).get(BATCHES, {})
    if not waiting:
        return context.target_num_replicas, {}
    return sum(waiting.values()) / _WANTED_BATCHES, {}
