"""`dfd evaluate` with the bundled model, on a few synthetic recordings."""

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
import soundfile

from dfd.cli.evaluate import INCOMPLETE
from dfd.cli.main import cli
from tests.evaluation import sets
from tests.tiny_corpus import make_corpus

pytestmark = pytest.mark.slow

PROTOCOLS: dict[str, tuple[Callable[[Path], Path], set[str], str]] = {
    "asvspoof2019-la": (sets.asvspoof2019, {"by_attack", "by_speaker"}, "eval partition"),
    "asvspoof2021-la": (
        sets.asvspoof2021,
        {"by_attack", "by_codec", "by_transmission", "by_speaker"},
        "eval partition",
    ),
    "wavefake": (sets.wavefake, {"by_vocoder"}, "every vocoder on JSUT and LJSpeech"),
    "in-the-wild": (sets.in_the_wild, {"by_speaker"}, "all recordings"),
}


def run(*arguments: str | Path) -> click.testing.Result:
    command = ["evaluate", "--bootstrap", "20", *map(str, arguments)]
    return click.testing.CliRunner().invoke(cli, command)


def figures_of(path: Path) -> dict[str, Any]:
    made = json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(word))
    assert isinstance(made, dict)
    return made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


class _Page(html.parser.HTMLParser):
    """Text, headings and external resources of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.loaded: list[str] = []
        self.drawings = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawings += tag == "svg"
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_public_set(name: str, tmp_path: Path) -> None:
    make, tables, subset = PROTOCOLS[name]
    root = make(tmp_path / "set")
    out, page, scores = tmp_path / "f.json", tmp_path / "r.html", tmp_path / "s.txt"
    result = run(
        *("--protocol", name, "--audio-root", root, "--compare"),
        *("--report", out, "--html", page, "--scores-out", scores),
    )
    assert result.exit_code == 0, result.output
    assert subset in result.output
    figures = figures_of(out)
    assert list(figures)[:3] == ["pooled", "by_source", "by_system"]
    assert list(figures["pooled"])[:3] == ["eer", "n_bonafide", "n_spoof"]
    assert tables <= figures.keys()
    assert figures["trials"]["subset"] == subset
    assert figures["published"]
    assert figures["model"]["weights_sha256"]

    read = _Page(page.read_text())
    assert read.drawings >= 4
    assert all(target.startswith("#") for target in read.loaded)
    assert "this run" in read.text
    if name == "asvspoof2021-la":
        assert {"two-stage Wav2Vec2 (A), EER %", "8.37"} <= set(read.text)

    again = tmp_path / "again.json"
    result = run(
        *("--protocol", name, "--audio-root", root, "--scores-in", scores, "--report", again)
    )
    assert result.exit_code == 0, result.output
    for key in ("eer", "auc", "min_dcf", "min_cllr"):
        assert figures_of(again)["pooled"][key] == pytest.approx(figures["pooled"][key], abs=1e-4)
    assert figures_of(again)["trials"]["sha256"] == figures["trials"]["sha256"]


def test_tandem_cost(tmp_path: Path) -> None:
    root = sets.asvspoof2019(tmp_path)
    asv, out, page = sets.asv_scores(tmp_path), tmp_path / "f.json", tmp_path / "r.html"
    result = run(
        *("--protocol", "asvspoof2019-la", "--audio-root", root, "--asv-scores", asv),
        *("--report", out, "--html", page),
    )
    assert result.exit_code == 0, result.output
    figures = figures_of(out)
    assert 0 <= figures["pooled"]["min_tdcf"] <= 1
    assert figures["by_attack"].keys() == {"A11", "A14"}
    assert all("min_tdcf" in row for row in figures["by_attack"].values())
    assert "min t-DCF" in page.read_text()


def test_a_manifest_through_conditions_and_time(corpus: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "f.json", tmp_path / "r.html"
    result = run(
        *("--manifest", corpus / "manifest.tsv", "--audio-root", corpus, "--split", "dev"),
        *("--conditions", "ulaw,loss,noise-10", "--long-streams", "--jobs", "2"),
        *("--report", out, "--html", page),
    )
    assert result.exit_code == 0, result.output
    figures = figures_of(out)
    assert list(figures["conditions"]) == ["clean", "ulaw", "loss", "noise-10"]
    clean = figures["conditions"]["clean"]
    assert clean["eer"] == figures["pooled"]["eer"]
    assert clean["eer_minus_clean"] == 0
    assert [point["seconds"] for point in figures["by_seconds"]] == [1, 2, 4, 8]
    assert [point["all_there_is"] for point in figures["by_seconds"]] == [False, False, True, True]
    assert figures["by_seconds"][-1]["eer"] == figures["pooled"]["eer"]
    assert figures["streams_by_seconds"]["streams"] == 2  # human recordings of two sources
    streams = figures["long_streams"]
    assert streams["stream_count"] == 2
    assert streams["hours"] == pytest.approx(human_hours(corpus))
    assert {"Telephone conditions", "Evidence as it arrives"} <= set(_Page(page.read_text()).text)


def human_hours(corpus: Path) -> float:
    lines = [line.split("\t") for line in (corpus / "manifest.tsv").read_text().splitlines()]
    human = [corpus / row[0] for row in lines if row[1:3] == ["dev", "bonafide"]]
    return float(sum(soundfile.info(str(path)).duration for path in human)) / 3600


def test_progress_is_shown_in_a_pipe_too(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfd.cli._waiting._FIRST_SECONDS", 0.02)
    monkeypatch.setattr("dfd.cli._waiting._EVERY_SECONDS", 0.02)
    result = run(
        *(
            "--manifest",
            corpus / "manifest.tsv",
            "--audio-root",
            corpus,
            "--split",
            "dev",
            "--json",
        ),
        *("--no-by-seconds", "--report", tmp_path / "r.json"),
    )
    assert result.exit_code == 0, result.output
    assert re.search(
        r"^dfd evaluate: scoring: \d+ of 12, \d+ s so far$", result.stderr, re.MULTILINE
    )
    # --json is the report, and nothing else
    assert json.loads(result.stdout) == figures_of(tmp_path / "r.json")


def test_one_condition_changes_the_figures(corpus: Path, tmp_path: Path) -> None:
    found = {}
    for condition in ("clean", "noise-10"):
        scores = tmp_path / condition
        result = run(
            *("--manifest", corpus / "manifest.tsv", "--audio-root", corpus, "--split", "dev"),
            *("--condition", condition, "--no-by-seconds", "--scores-out", scores),
        )
        assert result.exit_code == 0, result.output
        found[condition] = [float(line.split()[-1]) for line in scores.read_text().splitlines()]
    assert len(found["clean"]) == 12
    assert not np.allclose(found["clean"], found["noise-10"], atol=1e-3)


def test_properties_of_the_model_can_be_set(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.json"
    result = run(
        *("--manifest", corpus / "manifest.tsv", "--audio-root", corpus, "--split", "dev"),
        *("--window-seconds", "2", "--utterance-score", "mean", "--alert-threshold", "0.001"),
        *("--min-speech-seconds", "0", "--no-by-seconds", "--long-streams", "--report", out),
    )
    assert result.exit_code == 0, result.output
    figures = figures_of(out)
    assert figures["model"]["window_seconds"] == 2
    assert figures["model"]["utterance_score"] == "mean"
    assert figures["pooled"]["threshold"] == 0.001
    assert "by_seconds" not in figures
    # at this threshold every voice raises an alert
    assert figures["long_streams"]["alerts"] >= 2
    assert figures["long_streams"]["streams_that_alerted"] == 2
    assert figures["long_streams"]["alerts_per_hour"] > 100


def test_unreadable_recordings_are_named(corpus: Path, tmp_path: Path) -> None:
    manifest, out, page = tmp_path / "m.tsv", tmp_path / "f.json", tmp_path / "r.html"
    lines = [f"{corpus}/dev-{index}.flac\t{('bonafide', 'spoof')[index % 2]}" for index in range(4)]
    (tmp_path / "junk.flac").write_bytes(b"not audio")
    lines += [f"{tmp_path}/junk.flac\tspoof", f"{tmp_path}/gone.flac\tbonafide"]
    manifest.write_text("file\tlabel\n" + "\n".join(lines) + "\n")
    result = run(
        *("--manifest", manifest, "--audio-root", tmp_path, "--report", out, "--html", page)
    )
    assert result.exit_code == INCOMPLETE
    assert "2 without a score" in result.stdout
    for name in ("junk.flac", "gone.flac"):
        assert name in result.stderr
        assert name in page.read_text()
    figures = figures_of(out)
    assert figures["unreadable"]["count"] == 2
    assert figures["unreadable"]["files"] == [f"{tmp_path}/junk.flac", f"{tmp_path}/gone.flac"]
    assert (figures["pooled"]["n_bonafide"], figures["pooled"]["n_spoof"]) == (2, 2)


def test_scores_alone(tmp_path: Path) -> None:
    scores, out = tmp_path / "scores.txt", tmp_path / "f.json"
    scores.write_text(
        "LA_E_1 - bonafide 2.0\nLA_E_2 - bonafide 1.0\n"
        "LA_E_3 A07 spoof -2.0\nLA_E_4 A08 spoof 1.5\n"
    )
    result = run("--scores-in", scores, "--report", out)
    assert result.exit_code == 0, result.output
    figures = figures_of(out)
    assert figures["by_system"]["A07"]["eer"] == 0
    assert figures["by_system"]["A08"]["eer"] == 0.5


def test_scores_that_look_inverted(tmp_path: Path) -> None:
    scores = tmp_path / "scores.txt"
    scores.write_text("LA_E_1 - bonafide -1.0\nLA_E_2 A07 spoof 2.0\n")
    assert "use --higher-means spoof" in run("--scores-in", scores).output
    right = run("--scores-in", scores, "--higher-means", "spoof")
    assert right.output.startswith("EER 0.00 %")
    assert "higher-means" not in right.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the trials"),
        (["--manifest", "M", "--protocol", "wavefake"], "give only one of them"),
        (["--manifest", "M"], "--audio-root DIR"),
        (
            ["--protocol", "wavefake", "--audio-root", ".", "--split", "x"],
            "--split needs --manifest",
        ),
        (["--manifest", "M", "--audio-root", ".", "--subset", "eval"], "need --protocol"),
        (["--scores-in", "M", "--conditions", "all"], "--scores-in has no audio"),
        (["--protocol", "wavefake", "--audio-root", ".", "--subset", "dev"], "has no subset dev"),
        (["--manifest", "M", "--audio-root", ".", "--split", "test"], "no rows of split 'test'"),
        (["--manifest", "M", "--audio-root", ".", "--condition", "fax"], "no condition 'fax'"),
        (["--manifest", "M", "--audio-root", ".", "--model", "nowhere"], "nowhere"),
        (["--manifest", "M", "--audio-root", ".", "--window-seconds", "0.1"], "0.1 s"),
        (["--manifest", "M", "--audio-root", ".", "--split", "train"], "bona fide and spoof ones"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("M").write_text(
        "file\tlabel\tsplit\nx.wav\tspoof\ttrain\ny.wav\tbonafide\ttrain\nz.wav\tspoof\tdev\n"
    )
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    told = [line for line in result.stderr.splitlines() if not line.endswith("s so far")]
    assert len(told) == 1
