"""`dfd serve` as a process of its own, on a tiny model with random weights."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.events import ServerInfo
from dfd.clients.runs.warming import when_warm
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub

pytestmark = pytest.mark.slow

RATE = 16_000
# compiles little, and keeps to one of the cores that other tests share
QUICK = [
    "--port",
    "0",
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "1",
    "--max-batch-size",
    "2",
]
COMMAND = [sys.executable, "-m", "dfd", "serve"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the transformers format, windows of half a second."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    torch.manual_seed(1)
    values: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "conv_dim": (8, 8, 8),
        "conv_kernel": (10, 3, 2),
        "conv_stride": (8, 4, 2),
        "num_feat_extract_layers": 3,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 8,
        "num_labels": 2,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
        "id2label": {0: "bonafide", 1: "spoof"},
        "label2id": {"bonafide": 0, "spoof": 1},
    }
    config = Wav2Vec2Config(**values)
    folder = tmp_path_factory.mktemp("model")
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    extractor: Any = Wav2Vec2FeatureExtractor
    extractor(do_normalize=True).save_pretrained(folder)
    card = {"window_samples": 2 * RATE, "hop_samples": RATE}
    (folder / "dfd.json").write_text(json.dumps(card))
    return folder


class Daemon:
    """A running `dfd serve`."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *QUICK, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.errors: list[str] = []
        self._drain = threading.Thread(target=self._read_errors, daemon=True)
        self._drain.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(iter(self.process.stderr.readline, ""))

    def ready(self) -> str:
        """The ready line; also finds the port."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "".join(self.errors)
        found = re.match(r"dfd ready on (127\.0\.0\.1:\d+)", line)
        assert found, line
        self.address = found[1]
        return line

    def stub(self) -> Any:
        return DetectionServiceStub(grpc.insecure_channel(self.address))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(60)
        self._drain.join(20)
        return status


Start = Callable[..., Daemon]


@pytest.fixture
def start(model: Path) -> Iterator[Start]:
    running: list[Daemon] = []

    def begin(*arguments: str, models: tuple[Path, ...] = (model,), **more: Any) -> Daemon:
        named = [word for one in models for word in ("--model", str(one))]
        running.append(Daemon(*named, *arguments, **more))
        return running[-1]

    yield begin
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.wait()
        assert daemon.process.stdout is not None
        assert daemon.process.stderr is not None
        daemon.process.stdout.close()
        daemon.process.stderr.close()


def requests(seconds: float) -> list[pb.StreamingDetectRequest]:
    config = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=pb.AudioFormat.ENCODING_LINEAR16, sample_rate_hertz=RATE, channel_count=1
        ),
        stream_id="call-1",
        labels={"direction": "inbound"},
        window_results=True,
    )
    config.vad.min_speech_duration.SetInParent()
    noise = np.random.default_rng(0).normal(0, 3000, round(seconds * RATE)).astype("<i2").tobytes()
    return [
        pb.StreamingDetectRequest(config=config),
        *(
            pb.StreamingDetectRequest(audio=pb.AudioChunk(content=noise[at : at + 3200]))
            for at in range(0, len(noise), 3200)
        ),
    ]


def test_a_stream_through_a_real_process(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "dfd.toml"
    config.write_text(
        "max_streams = 3\nqueue_limit = 5\ndeadline_seconds = 7.5\n"
        'metrics_port = 0\nlog_format = "json"\n'
    )
    daemon = start(
        *("--config", str(config), "--max-streams", "9"),
        environment={"DFD_SERVE_QUEUE_LIMIT": "6", "DFD_SERVE_MAX_STREAMS": "8"},
    )
    line = daemon.ready()
    url = re.search(r"\(metrics (http://127\.0\.0\.1:\d+/metrics)\)", line)
    assert url, line
    responses = list(daemon.stub().StreamingDetect(iter(requests(5.0)), timeout=60))
    assert responses[0].started.model.engine
    assert daemon.stub().GetServerInfo(pb.GetServerInfoRequest(), timeout=60).max_streams == 9
    windows = [r.window for r in responses if r.HasField("window")]
    assert len(windows) >= 4
    assert all(w.status == pb.WindowResult.STATUS_SCORED for w in windows)
    assert responses[-1].summary.end_reason == pb.StreamSummary.END_REASON_CLIENT_DONE
    with urllib.request.urlopen(url[1], timeout=20) as page:
        assert b'dfd_streams_total{end="client_done"} 1.0' in page.read()
    assert daemon.end() == 0
    events = {}
    for text in daemon.errors:
        event = json.loads(text)
        events[event["event"]] = event
    effective = events["configuration"]
    assert effective["port"] == "0 (flag)"
    assert effective["max_streams"] == "9 (flag)"
    assert effective["queue_limit"] == "6 (environment)"
    assert effective["deadline_seconds"] == "7.5 (file)"
    assert "host" not in effective
    assert events["stream started"]["labels"] == {"direction": "inbound"}
    assert events["stream ended"]["stream_id"] == "call-1"
    assert events["stream ended"]["channels"][0]["scored"] == len(windows)
    assert "drained" in events
    assert daemon.process.stdout is not None
    assert daemon.process.stdout.read() == ""


def test_a_running_stream_ends_with_a_summary(start: Start) -> None:
    daemon = start("--no-metrics", "--grace-seconds", "2")
    assert "metrics" not in daemon.ready()
    ended = threading.Event()

    def endless() -> Iterator[pb.StreamingDetectRequest]:
        yield from requests(3.0)
        ended.wait(60)

    call = daemon.stub().StreamingDetect(endless(), timeout=60)
    assert next(call).HasField("started")
    daemon.process.send_signal(signal.SIGTERM)
    responses, code = [], None
    try:
        for response in call:
            responses.append(response)  # noqa: PERF402 - kept when it raises
    except grpc.RpcError as error:
        code = error.code()
    ended.set()
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "SERVER_DRAINING" in [r.warning.reason for r in responses]
    assert responses[-1].summary.end_reason == pb.StreamSummary.END_REASON_SERVER_DRAINING
    assert daemon.wait() == 0


def test_a_second_signal_ends_at_once(start: Start) -> None:
    daemon = start("--no-metrics", "--grace-seconds", "600")
    daemon.ready()
    ended = threading.Event()

    def endless() -> Iterator[pb.StreamingDetectRequest]:
        yield from requests(1.0)
        ended.wait(60)

    call = daemon.stub().StreamingDetect(endless(), timeout=60)
    try:
        assert next(call).HasField("started")
        daemon.process.send_signal(signal.SIGINT)
        while not next(call).HasField("warning"):
            pass
        assert daemon.end(signal.SIGINT) == 1
    finally:
        ended.set()


def test_a_signal_while_the_model_is_loaded(start: Start) -> None:
    daemon = start("--no-metrics")
    while not any("listening" in line for line in daemon.errors):
        assert daemon.process.poll() is None, daemon.errors
        time.sleep(0.02)
    assert daemon.end() == 0


def test_a_client_waits_while_the_model_is_loaded(start: Start) -> None:
    """As `dfd replay` does, in place of giving up."""
    daemon = start("--no-metrics")
    while not (said := [line for line in daemon.errors if "listening" in line]):
        assert daemon.process.poll() is None, daemon.errors
        time.sleep(0.02)
    found = re.search(r"127\.0\.0\.1:\d+", said[0])
    assert found, said

    async def wait() -> ServerInfo:
        async with AsyncDetectionClient(found[0]) as client:
            return await when_warm(client)

    info = asyncio.run(wait())
    assert info.models
    assert daemon.end() == 0


def test_several_workers_and_engines() -> None:
    """The command itself; what the supervisor promises is in tests/daemon/multiprocess."""
    daemon = Daemon("--model", "noop", "--workers", "2", "--device", "cpu,cpu", "--no-metrics")
    try:
        daemon.ready()
        assert len(subprocess_names(daemon.process.pid)) == 4
        responses = list(daemon.stub().StreamingDetect(iter(requests(5.0)), timeout=60))
        assert responses[0].started.model.name == "noop"
        assert responses[-1].summary.channels[0].verdict == pb.VERDICT_INCONCLUSIVE
    finally:
        status = daemon.end()
        assert daemon.process.stdout is not None
        assert daemon.process.stderr is not None
        daemon.process.stdout.close()
        daemon.process.stderr.close()
    assert status == 0
    log = "".join(daemon.errors)
    assert "this model scores nothing" in log
    assert "Traceback" not in log


def subprocess_names(pid: int) -> list[str]:
    return [" ".join(child.cmdline()[-1:]) for child in psutil.Process(pid).children()]


def one_line(*arguments: str) -> str:
    """The one line of a mistake."""
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "70000 is not in the range"),
        (["--port", "x"], "'x' is not a valid"),
        (["--colour"], "No such option"),
        (["extra"], "unexpected extra argument"),
        (["--workers", "65"], "65 is not in the range"),
        (["--device", "cpu,"], "name one, or several as cuda:0,cuda:1"),
        (["--deadline-seconds", "0"], "deadline seconds is 0.0; use more than 0"),
        (["--tls-cert", "x"], "give --tls-cert and --tls-key"),
        (["--config", "/no/such.toml"], "cannot read the configuration /no/such.toml: No such"),
        (["--config", "{tmp}/unknown.toml"], "unknown key colour"),
        (["--config", "{tmp}/broken.toml"], "is not TOML"),
        (["--config", "{tmp}/nested.toml"], "port must be a plain value"),
        (["--config", "{tmp}/wrong.toml"], "'x' is not a valid"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "unknown.toml").write_text("colour = 3")
    (tmp_path / "broken.toml").write_text("port = ")
    (tmp_path / "nested.toml").write_text("[port]\nx = 3")
    (tmp_path / "wrong.toml").write_text('port = "x"')
    told = one_line(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert told.startswith("dfd serve: ")
    assert message in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "{taken}"], "Address already in use; choose another --host or --port"),
        (["--metrics-port", "{taken}"], "cannot serve metrics on 127.0.0.1"),
        (["--token-file", "/no/such.toml"], "cannot read the token file /no/such.toml"),
        (["--token-file", "/no/such.toml", "--workers", "2"], "cannot read the token file"),
        (["--port", "{taken}", "--workers", "2"], "Address already in use; choose another"),
        (["--tls-cert", "/no/a.pem", "--tls-key", "/no/a.key"], "cannot read the TLS certificate"),
        (["--model", "/no/such/model", "--device", "cpu"], "/no/such/model"),
        (["--model", "{model}", "--device", "toaster"], "toaster"),
    ],
)
def test_mistakes_are_told_in_one_line(model: Path, arguments: list[str], message: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = {"taken": taken.getsockname()[1], "model": model}
        filled = [argument.format(**values) for argument in arguments]
        free = [] if "--port" in filled else ["--port", "0"]
        quiet = [] if "--metrics-port" in filled else ["--no-metrics"]
        told = one_line("--log-level", "error", *free, *quiet, *filled)
    assert told.startswith("dfd serve: ")
    assert message in told
    assert told.count("\n") == 1
    assert "Traceback" not in told


def test_help_and_version_need_no_grpc() -> None:
    code = (
        "import sys\nfrom dfd.cli.main import cli\n"
        "try: cli.main(['serve', '--help'], prog_name='dfd')\nexcept SystemExit: pass\n"
        "assert 'grpc' not in sys.modules and 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "DFD_SERVE_PORT" in done.stdout


def test_the_console_script_is_the_same() -> None:
    script = shutil.which("dfd", path=str(Path(sys.executable).parent))
    assert script is not None, "dfd is not installed beside this Python"
    done = subprocess.run(
        [script, "serve", "--port", "x"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("dfd serve: ")
