"""Recordings of any kind, on disk or through a pipe, as blocks of samples.

Every command that reads audio uses this package, so that all read the same: every link of a chained
file, every audio track, and a report on what was cut short, damaged or not read.

open_recording, open_tracks     open a path or "-"
Recording, Reading, Block       one audio track, one pass through it, and its blocks
Finding, FindingKind            problems that a reader found in the input
Manifest, read_manifest         a file's signed statement of who made it
shown                           a file's name in printable characters
"""

from dfd.recordings.decoder import Block
from dfd.recordings.findings import Finding, FindingKind
from dfd.recordings.manifest import Manifest, read_manifest
from dfd.recordings.recording import Reading, Recording, open_recording, open_tracks
from dfd.recordings.source import shown

__all__ = [
    "Block",
    "Finding",
    "FindingKind",
    "Manifest",
    "Reading",
    "Recording",
    "open_recording",
    "open_tracks",
    "read_manifest",
    "shown",
]
