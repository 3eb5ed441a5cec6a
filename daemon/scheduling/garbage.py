"""The garbage collector, told what stays."""

import gc


def settle_memory() -> None:
    """Keeps the collector from going through what stays for good, again and again."""
    gc.collect()
    gc.freeze()
