"""A server's offer as a table."""

from rich.table import Table
from rich.text import Text

from dfd.clients.events import ServerInfo
from dfd.clients.options import AlertPolicy


def info_table(info: ServerInfo, server: str) -> Table:
    """Two columns: what, and how much of it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, value: str) -> None:
        table.add_row(name, Text(value))

    row("server", f"{server}, dfd {info.version or 'of unknown version'}")
    row("streams", f"{info.active_streams} of {info.max_streams}")
    for model in info.models:
        row("model", f"{model.name} {model.version}".strip())
        row("  weights", f"sha256 {model.weights_sha256}")
        row(
            "  window",
            f"{model.window_seconds:g} s every {model.hop_seconds:g} s at"
            f" {model.sample_rate_hz} Hz",
        )
        row("  runs on", f"{model.device}, {model.precision}, {model.engine}")
    row("encodings", ", ".join(info.encodings))
    limits = info.limits
    row("chunk", f"at most {_bytes(limits.max_chunk_bytes)}")
    row("recording", f"at most {_bytes(limits.max_recording_bytes)} in one call")
    row("channels", f"at most {limits.max_channel_count}")
    row("idle streams end", _span(limits.idle_timeout_seconds))
    row("long streams end", _span(limits.max_stream_seconds))
    row("alerts", policy_words(info.default_alert_policy))
    return table


def policy_words(policy: AlertPolicy) -> str:
    """An alert policy in a few words."""
    pairs = (("rolling", policy.rolling_threshold), ("cumulative", policy.cumulative_threshold))
    said = [f"{name} P(spoof) {value:.2f}" for name, value in pairs if value is not None]
    words = " or ".join(said) or "none"
    if policy.consecutive_windows:
        words += f", {policy.consecutive_windows} windows in a row"
    if policy.hysteresis:
        words += f", cleared {policy.hysteresis:.2f} below"
    return words


def _bytes(count: int) -> str:
    return f"{count / (1 << 20):g} MiB" if count >= 1 << 20 else f"{count} bytes"


def _span(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:g} s"
