"""Options of the daemon: frozen, with units in their names, validated on creation."""

from dataclasses import dataclass, fields
from pathlib import Path

from dfd.daemon.model_choice import ModelChoice
from dfd.daemon.validation import require, require_choice, require_counts, require_seconds
from dfd.detector.watermarks.schemes import named

MIB = 1 << 20
ADMISSIONS = ("measured", "fixed")
LOG_LEVELS = ("debug", "info", "warning", "error")
JOURNAL_FAILURES = ("continue", "stop")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions(ModelChoice):
    """Everything that decides how the daemon serves, and which models.

    Attributes:
        host, port: where gRPC listens; port 0 picks a free one.
        workers: processes that share the port.
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
    workers: int = 1
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
        ModelChoice.__post_init__(self)
        require(0 <= self.port <= 65535, f"port is {self.port}; use 0 to 65535")
        require(
            -1 <= self.metrics_port <= 65535,
            f"metrics port is {self.metrics_port}; use 0 to 65535, or -1 for none",
        )
        require(
            bool(self.host), "host is empty; give an address, such as 127.0.0.1 for this machine"
        )
        endpoint = self.otlp_endpoint
        require(
            endpoint is None or endpoint.startswith(("http://", "https://")),
            f"otlp endpoint is {endpoint!r}; name it as http://127.0.0.1:4317 or https://...",
        )
        require_counts(
            self,
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
            "queue_limit",
            "windows_in_flight",
        )
        for name, size in (
            ("chunk", self.max_chunk_bytes),
            ("recording", self.max_recording_bytes),
        ):
            require(size <= 1024 * MIB, f"max {name} bytes is above 1 GiB; use less")
        require(
            self.upload_bytes >= self.max_recording_bytes,
            f"upload bytes is {self.upload_bytes}, less than one recording; "
            f"use {self.max_recording_bytes} or more, or lower --max-recording-bytes",
        )
        require(
            1 <= self.max_channel_count <= 8,
            f"max channel count is {self.max_channel_count}; use 1 to 8",
        )
        require_seconds(
            self,
            "config_timeout_seconds",
            "upload_timeout_seconds",
            "write_timeout_seconds",
            "settle_timeout_seconds",
            "deadline_seconds",
            "batch_timeout_seconds",
            "watchdog_seconds",
            "clip_days",
            "resume_seconds",
        )
        require_seconds(
            self,
            "idle_timeout_seconds",
            "max_stream_seconds",
            "max_queue_delay_seconds",
            "grace_seconds",
            "retry_seconds",
            "reload_seconds",
            zero=True,
        )
        require(
            (self.tls_cert is None) == (self.tls_key is None),
            "TLS needs both a certificate and its key; give --tls-cert and --tls-key",
        )
        require(
            self.tls_client_ca is None or self.tls_cert is not None,
            "--tls-client-ca needs TLS; give --tls-cert and --tls-key too",
        )
        require(
            self.jwt_keys is None or bool(self.jwt_issuer and self.jwt_audience),
            "--jwt-keys needs --jwt-issuer and --jwt-audience: without them any token from "
            "the issuer would be accepted",
        )
        named(self.watermarks)
        require_choice(self, "admission", ADMISSIONS)
        require_choice(self, "journal_failure", JOURNAL_FAILURES)
        require_choice(self, "log_level", LOG_LEVELS)
        require_choice(self, "log_format", LOG_FORMATS)

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
    def upload_bytes_by_worker(self) -> int:
        """The share of a worker, which holds at least one recording."""
        return max(self.upload_bytes // self.workers, self.max_recording_bytes)

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
