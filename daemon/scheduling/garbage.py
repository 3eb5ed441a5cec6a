"""Memory management after everything permanent has been loaded."""

import ctypes
import gc


def settle_memory() -> None:
    """Releases what loading left behind, and exempts permanent objects from collection."""
    gc.collect()
    gc.freeze()
    # glibc keeps the memory of the warm-up's largest batches; other libraries have no such call
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
