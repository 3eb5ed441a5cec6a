"""Memory management after everything permanent has been loaded."""

import ctypes
import gc

# Messages and windows are freed by their last reference. To look for cycles at every 700 objects,
# Python's default, took two hundredths of the daemon's time.
_YOUNG_OBJECTS = 10_000


def settle_memory() -> None:
    """Releases what loading left behind, and exempts permanent objects from collection.

    From then on it is also collected less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    # glibc keeps the memory of the warm-up's largest batches; other libraries have no such call
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
