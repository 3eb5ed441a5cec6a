"""Options of the daemon: frozen, with units in their names, validated on creation."""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

from dfd.daemon.engine_address import EngineAddress, is_remote
from dfd.detector.fusion import terms
from dfd.detector.overrides import ModelOverrides
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError

MIB = 1 << 20
# as `detector/files/bundled` has it, which would import torch
_BUNDLED = "bundled"
ADMISSIONS = ("measured", "fixed")
LOG_LEVELS = ("debug", "info", "warning", "error")
JOURNAL_FAILURES = ("continue", "stop")
LOG_FORMATS = ("text", "json")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
ENGINES = ("auto", "torchscript", "openvino", "onnx")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions(ModelOverrides):
    """Everything that decides how the daemon serves, and what is set over its model's facts.

    Attributes:
        host, port: where gRPC listens; port 0 picks a free one.
        model: the models to serve, in the form that `dfd.detector.load_detector` takes; the first
            is for streams that name none. Empty means the bundled model.
        fuse: combinations such as "a+b", whose LLRs are added.
        cascade: pairs such as "a+b", in which b scores the windows that a is not sure of.
        cascade_from: P(spoof) of the first model from which the second is asked.
        workers: processes that share the port.
        device: "auto", "cpu", "cuda" or "cuda:N"; several are separated by commas.
        precision, engine, threads: as for `dfd.detector.load_detector`.
        metrics_host, metrics_port: where Prometheus finds its page; 0 picks a free port, -1
            serves none.
        watermarks: watermarking schemes to look for, separated by commas; empty means none.
        max_streams: concurrent streams and recordings; more get RESOURCE_EXHAUSTED.
        admission: "measured" refuses streams before there are too many for the device or the
            event loop, "fixed" limits by `max_streams` alone.
        max_chunk_bytes, max_recording_bytes: most audio in one message.
        max_channel_count: most channels in one stream.
        max_connections: most connections to all workers, each of which takes its share.
        max_stream_bytes_per_second, max_peer_bytes_per_second: clients that send more than this,
            or more than twice real time if their format needs more, are read more slowly; does
            not apply to loopback addresses.
        idle_timeout_seconds: a stream that sends nothing for this long ends; 0: never. The default
            is longer than the hour for which a SIP bridge lets a call be on hold.
        max_stream_seconds: a stream ends when it is this old; 0: never.
        config_timeout_seconds: how long a call may hold a slot before it sends its configuration.
        upload_timeout_seconds: how long a recording may take to arrive, and to find room.
        upload_bytes: most bytes of recordings held at once; further ones wait before they are
            read.
        write_timeout_seconds: a client that reads no results for this long is dropped.
        settle_timeout_seconds: time for a stream's last windows after its audio ends; what is not
            scored by then is shed.
        max_batch_size: most windows in one forward pass; None leaves it to the device.
        max_queue_delay_seconds: how long a window waits for others to share its pass.
        deadline_seconds: a live window that has waited longer is shed.
        queue_limit: windows that may wait; beyond it live ones are shed.
        batch_timeout_seconds: a forward pass that takes longer is given up.
        watchdog_seconds: a worker or an instance that does not answer for this long is replaced.
        windows_in_flight: unresolved windows of one channel before its sender is slowed.
        grace_seconds: time that running streams have to end after SIGTERM.
        retry_seconds: how long refused clients are told to wait.
        max_streams_per_peer: most streams from one address other than loopback; None means three
            quarters of all.
        journal: SQLite file or database URL for streams, alerts and summaries; None keeps none.
        evidence_clips: folder for the audio around alerts; None writes no audio.
        clip_days, clip_bytes: clips older than this, or beyond this size, are deleted.
        journal_failure: what to do while the journal is down: "continue", or "stop" streams.
        otlp_endpoint: URL of an OpenTelemetry collector; None sends no traces.
        token_file: TOML file of bearer tokens; None admits everyone.
        jwt_keys: key set of an issuer whose signed tokens are accepted as well.
        jwt_issuer, jwt_audience: issuer and audience that those tokens must name.
        tls_cert, tls_key, tls_client_ca: PEM files.
        resume_key: file of the secrets that sign the states of streams; None takes those in
            DFD_RESUME_KEY, or those in a file that is made at the first start.
        resume_seconds: a stream that returns later than this starts with fresh evidence.
        reload_seconds: how often to look for changes in these files; 0 means only at SIGHUP.
        allow_open: whether other machines may reach the port without TLS or authentication.
        allow_admin: whether callers without a token may replace models; with tokens, those that
            allow `admin` may.
        handover: share the port with the previous and the next daemon; it is closed as soon as
            this one drains, and new calls go to the other.
        reflection, health: whether to serve gRPC's services of these names.

    Raises:
        UserError: if a value is impossible.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    model: str | tuple[str, ...] = ()
    fuse: tuple[str, ...] = ()
    cascade: tuple[str, ...] = ()
    cascade_from: float = 0.1
    workers: int = 1
    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"
    threads: int | None = None
    watermarks: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9464
    max_streams: int = 256
    admission: str = "measured"
    max_chunk_bytes: int = 16 * MIB
    max_recording_bytes: int = 64 * MIB
    max_channel_count: int = 8
    max_connections: int = 2048
    max_stream_bytes_per_second: int = 4 * MIB
    max_peer_bytes_per_second: int = 16 * MIB
    idle_timeout_seconds: float = 3900.0
    max_stream_seconds: float = 43_200.0
    config_timeout_seconds: float = 30.0
    upload_timeout_seconds: float = 120.0
    upload_bytes: int = 512 * MIB
    write_timeout_seconds: float = 30.0
    settle_timeout_seconds: float = 60.0
    max_batch_size: int | None = None
    max_queue_delay_seconds: float = 0.02
    deadline_seconds: float = 3.0
    queue_limit: int = 4096
    batch_timeout_seconds: float = 60.0
    watchdog_seconds: float = 15.0
    windows_in_flight: int = 4
    grace_seconds: float = 30.0
    retry_seconds: float = 1.0
    max_streams_per_peer: int | None = None
    journal: str | None = None
    journal_failure: str = "continue"
    evidence_clips: Path | None = None
    clip_days: float = 30.0
    clip_bytes: int = 1024 * MIB
    otlp_endpoint: str | None = None
    token_file: Path | None = None
    jwt_keys: Path | None = None
    jwt_issuer: str = ""
    jwt_audience: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    resume_key: Path | None = None
    resume_seconds: float = 600.0
    reload_seconds: float = 10.0
    allow_open: bool = False
    allow_admin: bool = False
    handover: bool = False
    reflection: bool = True
    health: bool = True
    log_level: str = "info"
    log_format: str = "text"

    def __post_init__(self) -> None:
        ModelOverrides.__post_init__(self)
        _require(0 <= self.port <= 65535, f"port is {self.port}; use 0 to 65535")
        _require(
            -1 <= self.metrics_port <= 65535,
            f"metrics port is {self.metrics_port}; use 0 to 65535, or -1 for none",
        )
        _require(
            bool(self.host), "host is empty; give an address, such as 127.0.0.1 for this machine"
        )
        endpoint = self.otlp_endpoint
        _require(
            endpoint is None or endpoint.startswith(("http://", "https://")),
            f"otlp endpoint is {endpoint!r}; name it as http://127.0.0.1:4317 or https://...",
        )
        for name in (
            "workers",
            "max_streams",
            "max_streams_per_peer",
            "max_connections",
            "max_stream_bytes_per_second",
            "max_peer_bytes_per_second",
            "max_chunk_bytes",
            "max_recording_bytes",
            "upload_bytes",
            "clip_bytes",
            "max_batch_size",
            "threads",
            "queue_limit",
            "windows_in_flight",
        ):
            number: int | None = getattr(self, name)
            _require(number is None or number >= 1, f"{_spoken(name)} is {number}; use 1 or more")
        for name in ("max_chunk_bytes", "max_recording_bytes"):
            _require(getattr(self, name) <= 1024 * MIB, f"{_spoken(name)} is above 1 GiB; use less")
        _require(
            self.upload_bytes >= self.max_recording_bytes,
            f"upload bytes is {self.upload_bytes}, less than one recording; "
            f"use {self.max_recording_bytes} or more, or lower --max-recording-bytes",
        )
        _require(
            1 <= self.max_channel_count <= 8,
            f"max channel count is {self.max_channel_count}; use 1 to 8",
        )
        for name in (
            "config_timeout_seconds",
            "upload_timeout_seconds",
            "write_timeout_seconds",
            "settle_timeout_seconds",
            "deadline_seconds",
            "batch_timeout_seconds",
            "watchdog_seconds",
            "clip_days",
            "resume_seconds",
        ):
            seconds: float = getattr(self, name)
            _require(
                math.isfinite(seconds) and seconds > 0.0,
                f"{_spoken(name)} is {seconds}; use more than 0",
            )
        for name in (
            "idle_timeout_seconds",
            "max_stream_seconds",
            "max_queue_delay_seconds",
            "grace_seconds",
            "retry_seconds",
            "reload_seconds",
        ):
            delay: float = getattr(self, name)
            _require(
                math.isfinite(delay) and delay >= 0.0, f"{_spoken(name)} is {delay}; use 0 or more"
            )
        for text in self.fuse:
            self.members_of(text)
        for text in self.cascade:
            _require(
                len(self.members_of(text)) == 2,
                f"a cascade has two models, a cheap one and then an expensive one, not {text}",
            )
        _require(
            0.0 < self.cascade_from < 1.0,
            f"cascade from is {self.cascade_from}; use a probability between 0 and 1",
        )
        _require(
            all(self.devices), f"device is {self.device!r}; name one, or several as cuda:0,cuda:1"
        )
        _require(
            (self.tls_cert is None) == (self.tls_key is None),
            "TLS needs both a certificate and its key; give --tls-cert and --tls-key",
        )
        _require(
            self.tls_client_ca is None or self.tls_cert is not None,
            "--tls-client-ca needs TLS; give --tls-cert and --tls-key too",
        )
        _require(
            self.jwt_keys is None or bool(self.jwt_issuer and self.jwt_audience),
            "--jwt-keys needs --jwt-issuer and --jwt-audience: without them any token from "
            "the issuer would be accepted",
        )
        _require(
            self.precision in PRECISIONS,
            f"precision is {self.precision}; use one of {', '.join(PRECISIONS)}",
        )
        _require(
            self.admission in ADMISSIONS,
            f"admission is {self.admission}; use one of {', '.join(ADMISSIONS)}",
        )
        if is_remote(self.engine):
            EngineAddress.parse(self.engine)
        else:
            _require(
                self.engine in ENGINES,
                f"engine is {self.engine}; use one of {', '.join(ENGINES)}, or ray://auto",
            )
        named(self.watermarks)
        _require(
            self.journal_failure in JOURNAL_FAILURES,
            f"journal failure is {self.journal_failure}; use one of {', '.join(JOURNAL_FAILURES)}",
        )
        _require(
            self.log_level in LOG_LEVELS,
            f"log level is {self.log_level}; use one of {', '.join(LOG_LEVELS)}",
        )
        _require(
            self.log_format in LOG_FORMATS,
            f"log format is {self.log_format}; use one of {', '.join(LOG_FORMATS)}",
        )

    @property
    def overrides(self) -> ModelOverrides:
        """The overrides of the model's own properties."""
        return ModelOverrides(**{f.name: getattr(self, f.name) for f in fields(ModelOverrides)})

    @property
    def named_models(self) -> tuple[str, ...]:
        """The models named by `model`."""
        return (self.model,) if isinstance(self.model, str) else tuple(self.model)

    @property
    def models(self) -> tuple[str, ...]:
        """The models to load, each once: those in `model`, then other members of combinations."""
        members = (term for text in (*self.fuse, *self.cascade) for term in self.members_of(text))
        return tuple(dict.fromkeys((*self.named_models, *members))) or (_BUNDLED,)

    def members_of(self, text: str) -> tuple[str, ...]:
        """Returns the members of "a+b"; a file or folder may be named without its path.

        Raises:
            UserError: if they are not different models.
        """
        short = {Path(name).stem: name for name in self.named_models}
        short |= {Path(name).name: name for name in self.named_models}
        return tuple(short.get(term, term) for term in terms(text))

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices; each runs an instance of each model."""
        return tuple(name.strip() for name in self.device.split(","))

    @property
    def instances(self) -> tuple["ServeOptions", ...]:
        """The options of all instances: every model on every device."""
        return tuple(self.of(model, device) for model in self.models for device in self.devices)

    def of(self, model: str, device: str | None = None) -> "ServeOptions":
        """Returns the options for a single model, on one device or on all."""
        return replace(self, model=model, fuse=(), cascade=(), device=device or self.device)

    @property
    def streams_by_peer(self) -> int:
        """The most streams from one address, so that none takes every slot."""
        if self.max_streams_per_peer is not None:
            return self.max_streams_per_peer
        return max(1, -(-3 * self.max_streams // 4))

    @property
    def connections_by_worker(self) -> int:
        """The most connections of one process, which the kernel spreads over all."""
        return -(-self.max_connections // self.workers)

    @property
    def multiprocess(self) -> bool:
        """Whether several processes serve: workers on one port, an instance for each device."""
        return self.workers > 1 or len(self.devices) > 1

    @property
    def serves_metrics(self) -> bool:
        """Whether there is a page for Prometheus."""
        return self.metrics_port >= 0

    @property
    def batch_buckets(self) -> tuple[int, ...] | None:
        """The batch sizes to compile and warm: powers of two up to the largest."""
        if self.max_batch_size is None:
            return None
        powers = [1]
        while powers[-1] * 2 <= self.max_batch_size:
            powers.append(powers[-1] * 2)
        return tuple(sorted({*powers, self.max_batch_size}))


OPTION_NAMES = tuple(option.name for option in fields(ServeOptions))


def _spoken(name: str) -> str:
    return name.replace("_", " ")
