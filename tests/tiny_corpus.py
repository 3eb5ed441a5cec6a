"""A tiny corpus made of tones and noise: the spoofs buzz, the humans hiss."""

from pathlib import Path

import numpy as np
import soundfile


def tone(seconds: float, hertz: float, noise: float, seed: int) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    wave = np.sin(2 * np.pi * hertz * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
    wave += noise * np.random.default_rng(seed).normal(size=time.size)
    return (0.2 * wave).astype(np.float32)


def make_corpus(folder: Path) -> Path:
    lines = ["file\tsplit\tlabel\tsystem\tsource\tspeaker\toriginal_rate_hz\tseconds"]
    for split in ("train", "dev"):
        for index in range(12):
            label = ("bonafide", "spoof")[index % 2]
            seconds = 1.5 + 0.1 * index
            wave = tone(seconds, 150 + 40 * index, 0.5 if index % 2 == 0 else 0.01, index)
            name = f"{split}-{index}.flac"
            soundfile.write(str(folder / name), wave, 16_000)
            system = "human" if label == "bonafide" else f"tts:{index % 3}"
            source = f"made/{index // 6}"
            lines.append(f"{name}\t{split}\t{label}\t{system}\t{source}\ts\t16000\t{seconds}")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
