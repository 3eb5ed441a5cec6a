r"""Scores recordings by the regression on all features, for `dfd evaluate --scores-in`.

    python -m dfd.training.frozen.score runs/frozen-logreg/full --out scores.txt \
        --manifest manifest.tsv --audio-root DIR

`--protocol` can take the place of the manifest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dfd import processors
from dfd.errors import UserError
from dfd.evaluation.protocols import PROTOCOLS
from dfd.evaluation.score_files import write_scores
from dfd.evaluation.trials import TrialSet, from_manifest
from dfd.training.frozen.saved import FrozenModel
from dfd.training.material.clips import scan


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores a manifest or a protocol; reports a mistake in one line, with exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m dfd.training.frozen.score")
    parser.add_argument("model", type=Path, help="folder full/ that dfd train wrote")
    parser.add_argument("--out", type=Path, required=True, help="score file to write")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--split", help="only these rows of the manifest")
    parser.add_argument("--audio-root", type=Path, required=True)
    parser.add_argument("--protocol", choices=list(PROTOCOLS))
    parser.add_argument("--subset", help="part of the protocol (default: the official one)")
    parser.add_argument("--backbone", help="where the backbone is now")
    parser.add_argument("--workers", type=int, default=processors.usable())
    options = parser.parse_args(arguments)
    try:
        trials = _trials(options)
        clips = scan(
            list(trials.recordings), trials.audio_root, trials.name, workers=options.workers
        )
        model = FrozenModel.load(options.model)
        scores = model.scores(clips, backbone=options.backbone, workers=options.workers)
        write_scores(options.out, clips.recordings, scores)
    except UserError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for file, reason in clips.unreadable.items():
        print(f"unreadable: {file}: {reason}", file=sys.stderr)
    print(f"{len(clips.recordings)} recordings, {len(clips.unreadable)} unreadable: {options.out}")


def _trials(options: argparse.Namespace) -> TrialSet:
    if (options.manifest is None) == (options.protocol is None):
        raise UserError("name the trials: --manifest FILE or --protocol NAME")
    if options.manifest is not None:
        return from_manifest(options.manifest, options.audio_root, options.split)
    protocol = PROTOCOLS[options.protocol]
    subset = options.subset or protocol.subsets[0]
    if subset not in protocol.subsets:
        raise UserError(f"{options.protocol} has no {subset}; {', '.join(protocol.subsets)}")
    return protocol.read(options.audio_root, subset, None)


if __name__ == "__main__":
    main()
