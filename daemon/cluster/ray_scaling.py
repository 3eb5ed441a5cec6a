"""How many replicas there should be: a function that Serve's controller calls.

It is copied there, so it imports nothing of dfd.
"""

from typing import Any

BATCHES = "batches"
# batches that wait or run at a replica, beyond which another replica is worth its while
_WANTED_BATCHES = 2.0


def wanted(context: Any) -> tuple[float, dict[str, Any]]:
    """Returns how many replicas the present load wants; Serve applies its limits and delays.

    Args:
        context: Serve's `AutoscalingContext`.
    """
    waiting = (context.aggregated_metrics or {}).get(BATCHES, {})
    if not waiting:
        return context.target_num_replicas, {}
    return sum(waiting.values()) / _WANTED_BATCHES, {}
