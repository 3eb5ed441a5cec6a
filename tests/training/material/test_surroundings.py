from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.errors import UserError
from dfd.training.material.surroundings import NOISE_SAMPLES, ROOM_SAMPLES, read_surroundings


def write(folder: Path, *rows: str) -> None:
    (folder / "extras.tsv").write_text("\n".join(("file\tkind\tname", *rows)) + "\n")


def test_a_corpus_without_extras_has_none(tmp_path: Path) -> None:
    around = read_surroundings(tmp_path)
    assert (len(around.noises), len(around.rooms)) == (0, 0)


def test_noises_are_repeated_and_rooms_begin_at_the_direct_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hum.wav", np.sin(np.arange(4_000) / 5) / 10, 16_000)
    room = np.zeros(4_000)
    room[1_000], room[1_500] = 0.5, 0.25
    soundfile.write(tmp_path / "room.wav", room, 16_000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(100), 16_000)
    write(
        tmp_path,
        "hum.wav\tnoise\tx",
        "room.wav\trir\tx",
        "silence.wav\tnoise\tx",
        "gone.wav\tnoise\tx",
        "hum.wav\tother\tx",
    )
    around = read_surroundings(tmp_path)
    assert around.noises.shape == (1, NOISE_SAMPLES)
    assert around.noises.pow(2).mean().item() == pytest.approx(1.0, abs=0.01)
    assert around.rooms.shape == (1, ROOM_SAMPLES)
    assert around.rooms[0].nonzero()[:, 0].tolist() == [8, 508]
    assert around.rooms.norm().item() == pytest.approx(1.0, abs=1e-4)


def test_an_invalid_format_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "extras.tsv").write_text("path\nx\n")
    with pytest.raises(UserError, match="cannot read"):
        read_surroundings(tmp_path)
