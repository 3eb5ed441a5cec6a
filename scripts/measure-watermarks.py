"""Measures how often a watermark is detected in recordings without one, and in recordings with one.

PYTHONPATH=. python scripts/measure-watermarks.py CORPUS --count 1000 --marked 200

CORPUS contains a manifest (docs/evaluation.md). Human recordings are drawn from it at random, and
the first four seconds of each are read, clean and under telephone conditions. Some are also marked
by Perth's own package first.
"""

import argparse
import random
import time
import zlib
from pathlib import Path

import numpy as np
import torch

from dfd.detector.watermarks.perth import load_perth
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray, decode
from dfd.evaluation.corpus import read_manifest
from dfd.evaluation.telephone.conditions import available
from tests.perth import marked

SECONDS = 4.0


def main() -> None:
    """Prints a line for each condition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="number of human recordings")
    parser.add_argument("--skip", type=int, default=0, help="skip this many of them first")
    parser.add_argument("--marked", type=int, default=200, help="mark this many of them too")
    parser.add_argument("--conditions", default="clean,ulaw,opus-24k,loss")
    parser.add_argument("--out", type=Path, help="write every reading here, tab-separated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reader = load_perth(SAMPLE_RATE_HZ)
    conditions, _ = available(options.conditions.split(","))
    rows = [row for row in read_manifest(options.corpus / "manifest.tsv") if row.label == 0]
    random.Random(0).shuffle(rows)
    rows = rows[options.skip : options.skip + options.count]
    found: dict[tuple[str, bool], list[float]] = {}
    cpu_seconds = read_seconds = 0.0
    for number, row in enumerate(rows):
        plain = decode(options.corpus / row.file).samples[: int(SECONDS * SAMPLE_RATE_HZ)]
        kinds = [(False, plain)]
        if number < options.marked:
            kinds.append((True, marked(plain, SAMPLE_RATE_HZ)))
        for is_marked, samples in kinds:
            for name, condition in conditions.items():
                generator = np.random.default_rng(zlib.crc32(row.file.encode()))
                ready = condition(samples, generator)
                began = time.process_time()
                confidence = read(reader, ready)
                cpu_seconds += time.process_time() - began
                read_seconds += len(ready) / SAMPLE_RATE_HZ
                found.setdefault((name, is_marked), []).append(confidence)
                if options.out is not None:
                    with options.out.open("a", encoding="utf-8") as file:
                        line = (row.file, len(ready), name, int(is_marked), f"{confidence:.4f}")
                        file.write("\t".join(map(str, line)) + "\n")
    for (name, is_marked), values in sorted(found.items()):
        levels = np.quantile(values, (0.0, 0.01, 0.5, 0.99, 0.999, 1.0))
        words = " ".join(f"{level:.3f}" for level in levels)
        kind = "marked" if is_marked else "people"
        print(f"{name:10} {kind} {len(values):5}  min 1 % median 99 % 99.9 % max: {words}")
    print(f"{1000 * cpu_seconds / read_seconds:.1f} ms of CPU per second of audio")


@torch.inference_mode()
def read(reader: torch.nn.Module, samples: FloatArray) -> float:
    """Returns the confidence for one excerpt."""
    return float(reader(torch.from_numpy(samples).unsqueeze(0)))


if __name__ == "__main__":
    main()
