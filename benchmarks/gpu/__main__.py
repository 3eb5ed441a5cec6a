"""The command; `scripts/gpu-check` calls it."""

import sys

from dfd.benchmarks.gpu.run import main

if __name__ == "__main__":
    sys.exit(main())
