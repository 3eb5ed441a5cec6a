"""The public data sets in their exact format, with a few synthetic recordings each."""

from collections.abc import Sequence
from pathlib import Path

import soundfile

from tests.tiny_corpus import tone

SECONDS = 1.2

# speaker, utterance, attack; five columns in the protocol
LA19 = (
    ("LA_0039", "LA_E_2834763", "A11"),
    ("LA_0014", "LA_E_8877452", "A14"),
    ("LA_0040", "LA_E_6828287", "A11"),
    ("LA_0039", "LA_E_1000147", "-"),
    ("LA_0014", "LA_E_1000273", "-"),
    ("LA_0040", "LA_E_1000791", "-"),
)
# the eight columns of the keys
LA21 = (
    "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval",
    "LA_0020 LA_E_6866159 alaw ita_tx bonafide bonafide notrim eval",
    "LA_0007 LA_E_5464494 none - A16 spoof notrim eval",
    "LA_0042 LA_E_1665632 none - bonafide bonafide notrim eval",
    "LA_0010 LA_E_5085671 ulaw mad_tx A09 spoof notrim progress",
    "LA_0022 LA_E_5013670 ulaw mad_tx bonafide bonafide notrim progress",
    "LA_0031 LA_E_7600001 none - A12 spoof trim hidden",
    "LA_0033 LA_E_7600002 none - bonafide bonafide trim hidden",
)
WAVEFAKE = (
    "LJSpeech-1.1/wavs/LJ001-0001.wav",
    "LJSpeech-1.1/wavs/LJ001-0002.wav",
    "jsut_ver1.1/basic5000/wav/BASIC5000_0001.wav",
    "generated_audio/ljspeech_melgan/LJ001-0001_gen.wav",
    "generated_audio/ljspeech_hifiGAN/LJ001-0001_gen.wav",
    "generated_audio/jsut_parallel_wavegan/BASIC5000_0001_gen.wav",
    "generated_audio/common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech/gen_0.wav",
)
WILD = (
    "0.wav,Alec Guinness,spoof",
    "1.wav,Alec Guinness,bona-fide",
    "2.wav,Ayn Rand,spoof",
    "3.wav,Ayn Rand,bona-fide",
)


def speak(path: Path, spoof: bool, index: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = tone(SECONDS, 150 + 40 * index, 0.01 if spoof else 0.5, index)
    soundfile.write(str(path), wave, 16_000)


def asvspoof2019(root: Path, rows: Sequence[tuple[str, str, str]] = LA19) -> Path:
    folder = root / "LA" / "ASVspoof2019_LA_cm_protocols"
    folder.mkdir(parents=True)
    lines = []
    for index, (speaker, utterance, attack) in enumerate(rows):
        label = "bonafide" if attack == "-" else "spoof"
        lines.append(f"{speaker} {utterance} - {attack} {label}\n")
        audio = root / "LA" / "ASVspoof2019_LA_eval" / "flac" / f"{utterance}.flac"
        speak(audio, attack != "-", index)
    (folder / "ASVspoof2019.LA.cm.eval.trl.txt").write_text("".join(lines))
    return root


def asv_scores(root: Path) -> Path:
    path = root / "LA" / "ASVspoof2019_LA_asv_scores" / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt"
    path.parent.mkdir(parents=True)
    lines = [f"bonafide target {score}" for score in (2.1, 3.2, 4.0, 0.4)]
    lines += [f"bonafide nontarget {score}" for score in (-3.0, -2.2, 0.9, -1.0)]
    lines += ["A11 spoof 1.4", "A11 spoof -2.0", "A14 spoof 2.9", "A14 spoof 0.1"]
    path.write_text("\n".join(lines) + "\n")
    return path


def asvspoof2021(root: Path) -> Path:
    keys = root / "keys" / "LA" / "CM"
    keys.mkdir(parents=True)
    (keys / "trial_metadata.txt").write_text("\n".join(LA21) + "\n")
    for index, row in enumerate(LA21):
        utterance, label = row.split()[1], row.split()[5]
        audio = root / "ASVspoof2021_LA_eval" / "flac" / f"{utterance}.flac"
        speak(audio, label == "spoof", index)
    return root


def wavefake(root: Path) -> Path:
    for index, name in enumerate(WAVEFAKE):
        speak(root / name, name.startswith("generated_audio"), index)
    return root


def in_the_wild(root: Path) -> Path:
    folder = root / "release_in_the_wild"
    folder.mkdir(parents=True)
    (folder / "meta.csv").write_text("file,speaker,label\n" + "\n".join(WILD) + "\n")
    for index, row in enumerate(WILD):
        speak(folder / row.split(",")[0], row.endswith("spoof"), index)
    return root
