"""Memory, once everything is loaded that stays."""

import ctypes
import gc


def settle_memory() -> None:
    """Gives back what loading left behind, and spares the collector what stays for good."""
    gc.collect()
    gc.freeze()
    # glibc keeps what the largest batches of the warm-up took; other libraries have no such call
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
