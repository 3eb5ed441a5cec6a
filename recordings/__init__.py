"""Recordings of any kind, on disk or through a pipe, as blocks of samples.

Every verb that reads audio reads it here, so that all hear the same: every link of a chained
file, every audio track, and a word about what was cut, damaged or left.

open_recording, open_tracks     a path or "-" to what can be read
Recording, Reading, Block       one audio track, one pass through it, and what that gives
Finding, FindingKind            what a reader has to say about the input
Manifest, read_manifest         what a file says, signed, of who made it
shown                           a file's name in characters that can be printed
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
