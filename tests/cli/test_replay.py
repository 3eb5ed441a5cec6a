import asyncio
import json
import subprocess
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile

from tests.clients.command import DFD, clean, dfd, dfd_here
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script
from tests.recordings.made import two_tracks


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(7)
    paths = []
    for number, (rate, seconds, channels) in enumerate([(8000, 2.0, 1), (16000, 3.3, 2)]):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, rng.normal(0, 0.1, (round(rate * seconds), channels)), rate)
        paths.append(path)
    return paths


async def test_files_become_streams(recordings: list[Path], tmp_path: Path) -> None:
    out, events = tmp_path / "report.json", tmp_path / "events.jsonl"
    async with ScriptedServer(Script(alert_after=2.0)) as server:
        words = ["--server", server.address, "--speed", "max", "--report", out, "--events", events]
        done = await dfd("replay", *recordings, *words, "--label", "call=7")
    assert (done.status, done.err) == (0, "")
    assert "ALERT" in done.out
    assert "synthetic" in done.out
    assert "p99" in done.out
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    report = json.loads(out.read_text())
    assert all({"stream_id", "file"} < line.keys() for line in lines)
    kinds = {kind for line in lines for kind in line} - {"stream_id", "file"}
    assert kinds == {"started", "window", "alert", "summary"}
    # one entry per channel, one latency per scored window
    files = [(Path(entry["file"]).name, entry["channel"]) for entry in report["files"]]
    assert files == [("0.wav", 0), ("1.wav", 0), ("1.wav", 1)]
    first = report["files"][0]
    assert first["verdict"] == "spoof"
    assert first["cumulative_spoof_llr"] == 2.0
    assert first["mean_spoof_probability"] == pytest.approx(0.9)
    assert [window["end_seconds"] for window in first["windows"]] == [1.0, 1.5, 2.0]
    assert report["windows"] == {"scored": 13, "insufficient_speech": 0, "shed": 0, "failed": 0}
    assert report["latency_ms"]["count"] == 13
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["max"]
    assert report["queue_ms"]["p50"] == pytest.approx(2.0)
    assert report["compute_ms"]["p99"] == pytest.approx(10.0)
    # everything was sent once
    sent = [sum(len(chunk.content) for chunk in one.chunks) for one in server.connections]
    assert sent == [32000, 211200]
    assert server.connections[0].config.labels == {"call": "7"}


async def test_real_time_takes_its_time(recordings: list[Path]) -> None:
    async with ScriptedServer() as server:
        done = await dfd(
            "replay", recordings[0], "--server", server.address, "--speed", 2, "--json",
            "--summary",
        )  # fmt: skip
    report = json.loads(done.out.splitlines()[-1])["report"]
    assert report["wall_seconds"] >= 1.0
    # a window's result comes soon after its last sample was sent
    assert report["latency_ms"]["max"] < 1000
    assert "p99" in done.err  # the tables, since standard output has the JSON


async def test_several_at_once(recordings: list[Path]) -> None:
    async with ScriptedServer() as server:
        words = ["--server", server.address, "--speed", "4", "--streams", 12, "--ramp-seconds", 0.2]
        done = await dfd("replay", *recordings, *words, "--json")
        *events, last = [json.loads(line) for line in done.out.splitlines()]
        assert last["report"]["replays"] == 12
        assert sum("summary" in event for event in events) == 12
        assert len({one.config.stream_id for one in server.connections}) == 12
        done = await dfd("replay", recordings[0], "--repeat", 3, "--speed", "max", *words[:2])
        assert done.out.count("Sounds synthetic") == 3


async def test_an_alert_can_set_the_exit_status(recordings: list[Path]) -> None:
    words = ["--speed", "max", "--fail-on-alert"]
    async with ScriptedServer(Script(alert_after=1.0)) as server:
        assert (await dfd("replay", recordings[0], "--server", server.address, *words)).status == 1
    async with ScriptedServer() as server:
        assert (await dfd("replay", recordings[0], "--server", server.address, *words)).status == 0


async def test_a_stream_that_fails_does_not_stop_the_others(recordings: list[Path]) -> None:
    script = Script(abort_after=1.0, abort_code=grpc.StatusCode.INTERNAL)
    async with ScriptedServer(script) as server:
        done = await dfd("replay", *recordings, "--server", server.address, "--speed", "max")
    assert done.is_one_line()
    assert "1 of 2 streams failed" in done.err
    assert "failed:" in done.out
    assert "1.wav" in done.out


async def test_a_broken_connection_is_reported(recordings: list[Path]) -> None:
    async with ScriptedServer(Script(abort_after=1.0)) as server:
        done = await dfd("replay", recordings[0], "--server", server.address, "--speed", "max")
    assert done.status == 0
    assert "connection lost" in done.out
    assert "reconnected, 0.0 s lost" in done.out


def test_mistakes_are_one_line(recordings: list[Path], tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.wav", tmp_path / "text.wav"
    empty.touch()
    text.write_text("no audio")
    good = recordings[0]
    for words, said in [
        ((tmp_path / "none.wav",), "does not exist"),
        ((empty,), "is empty"),
        ((text,), "text.wav"),
        ((tmp_path,), "is a folder"),
        ((good, "--speed", "0"), "is not a speed"),
        ((good, "--speed", "fast"), "is not a speed"),
        ((good, "--streams", "0"), "--streams"),
        ((good, "--label", "x"), "KEY=VALUE"),
        ((), "FILES"),
        ((good, "--server", "localhost:1"), "dfd serve"),
        ((good, "--events", recordings[1]), "does not contain JSON lines"),
        ((good, "--json", "--events", "-"), "name a file for --events"),
        ((good, "--plot", tmp_path / "x.docx"), "must end in .png"),
        ((good, "--report", tmp_path / "no" / "r.json"), "there is no folder"),
    ]:
        done = dfd_here("replay", *words)
        assert done.is_one_line(), (words, done)
        assert said in done.err
    assert soundfile.info(recordings[1]).frames == 52800


async def test_a_pipe_and_a_truncated_recording(recordings: list[Path]) -> None:
    content = recordings[0].read_bytes()
    async with ScriptedServer() as server:
        words = [*DFD, "replay", "-", "--server", server.address, "--speed", "max", "--json"]
        for piped, status in ((content, 0), (content[: len(content) // 2], 3)):
            done = await asyncio.to_thread(
                subprocess.run, words, input=piped, capture_output=True, env=clean(), timeout=120
            )
            assert done.returncode == status, done.stderr
        sent = [sum(len(chunk.content) for chunk in one.chunks) for one in server.connections]
    assert sent[0] == 32000
    assert 15000 < sent[1] < 17000
    assert b"cut: the header promises 2.0 s" in done.stdout + done.stderr


async def test_each_track_is_a_stream_and_a_bad_file_does_not_stop_others(tmp_path: Path) -> None:
    tracks, bad = two_tracks(tmp_path / "two.mka"), tmp_path / "bad.wav"
    bad.write_text("no audio")
    report = tmp_path / "report.json"
    async with ScriptedServer() as server:
        words = ["--server", server.address, "--speed", "max", "--report", report]
        done = await dfd("replay", bad, tracks, *words)
        sent = [sum(len(chunk.content) for chunk in one.chunks) for one in server.connections]
    assert done.status == 2
    assert "bad.wav is not an audio file" in done.err
    assert "Traceback" not in done.err
    assert sorted(sent) == [32000, 64000]
    files = [entry["file"] for entry in json.loads(report.read_text())["files"]]
    assert files == [f"{tracks}, track 1 of 2", f"{tracks}, track 2 of 2"]
