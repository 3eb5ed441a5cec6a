"""WaveFake: https://doi.org/10.5281/zenodo.5642694, folders of generated audio by vocoder.

A folder `ljspeech_melgan` or `..._ljspeech` contains a vocoder's versions of LJSpeech. LJSpeech and
JSUT themselves are bona fide; they are unpacked next to it (`LJSpeech-1.1/wavs`,
`jsut_ver1.1/basic5000/wav`).
"""

from __future__ import annotations

import re
from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.evaluation.protocols import layout
from dfd.evaluation.trials import Against, Table, TrialSet

SUBSETS = ("all", "ljspeech", "jsut")
_VOICES = {"ljspeech": "LJSpeech", "jsut": "JSUT"}
_GENERATED = re.compile(r"(?P<first>ljspeech|jsut)_(?P<tail>.+)|(?P<head>.+)_(?P<last>ljspeech)")
_BONAFIDE = {
    "ljspeech": re.compile(r"(^|/)ljspeech[^/]*/wavs$", re.IGNORECASE),
    "jsut": re.compile(r"(^|/)jsut[^/]*/basic5000/wav$", re.IGNORECASE),
}


def read(root: Path, subset: str = "all", keys: Path | None = None) -> TrialSet:
    """Returns the recordings of all vocoders for one voice, or for both, and the bona fide ones.

    Raises:
        UserError: if a voice has generated but no bona fide audio, or there is none at all.
    """
    if keys is not None:
        raise UserError("WaveFake is listed by its folders: leave out --keys")
    wanted = tuple(_VOICES) if subset == "all" else (subset,)
    generated: list[Recording] = []
    human: dict[str, list[Recording]] = {}
    for folder in layout.folders(root):
        for voice in wanted:
            if voice not in human and _BONAFIDE[voice].search(folder.as_posix()):
                human[voice] = _recordings(folder, root, voice, "human", 0)
        named = _GENERATED.fullmatch(folder.name)
        if named and (named["first"] or named["last"]) in wanted:
            voice, system = named["first"] or named["last"], named["tail"] or named["head"]
            generated += _recordings(folder, root, voice, system, 1)
    voices = sorted({recording.source for recording in generated})
    if not voices:
        raise UserError(
            f"{root} contains no folder of generated audio such as ljspeech_melgan/: name the"
            " folder that WaveFake was unpacked into as --audio-root"
        )
    for voice in wanted:
        if _VOICES[voice] in voices and not human.get(voice):
            where = "LJSpeech-1.1/wavs" if voice == "ljspeech" else "jsut_ver1.1/basic5000/wav"
            raise UserError(
                f"{root} contains no bona fide recordings of {_VOICES[voice]}: unpack it there, so"
                f" that there is a folder {where}, or choose --subset {_other(voice)}"
            )
    bonafide = [one for voice in wanted if _VOICES[voice] in voices for one in human[voice]]
    return TrialSet(
        name="wavefake",
        subset=f"every vocoder on {' and '.join(voices)}",
        recordings=[*bonafide, *generated],
        audio_root=root,
        listed_in=root,
        tables=(Table("by_vocoder", "system", Against.SOURCE),),
    )


def _other(voice: str) -> str:
    return "jsut" if voice == "ljspeech" else "ljspeech"


def _recordings(folder: Path, root: Path, voice: str, system: str, label: int) -> list[Recording]:
    files = sorted(path for path in folder.iterdir() if path.suffix in layout.AUDIO_SUFFIXES)
    return [
        Recording(
            file=str(path.relative_to(root)),
            label=label,
            system=system if label == 0 else f"{voice}_{system}",
            source=_VOICES[voice],
            speaker=_VOICES[voice],
        )
        for path in files
    ]
