"""Tables of what a server offers and what a model is."""

from rich.table import Table
from rich.text import Text

from dfd.clients.display import words
from dfd.clients.options import AlertPolicy
from dfd.clients.server_info import ModelInfo, ServerInfo

_UTTERANCE = {
    "evidence": "sum of calibrated evidence",
    "mean": "mean of the windows' P",
    "first": "P of the first window",
}
_PADDING = {
    "mask": "short ones unpadded",
    "zero": "short ones zero-padded",
    "repeat": "short ones repeated",
}


class _Rows:
    """A table of two columns, name and value."""

    def __init__(self) -> None:
        self.table = Table.grid(padding=(0, 2))
        self.table.add_column(style="bold", no_wrap=True)
        self.table.add_column(overflow="fold")

    def add(self, name: str, value: str) -> None:
        self.table.add_row(name, Text(value))

    def add_model(self, model: ModelInfo) -> None:
        self.add("model", f"{model.name} {model.version}".strip())
        self.add("  weights", f"sha256 {model.weights_sha256}")
        self.add(
            "  window",
            f"{model.window_seconds:g} s every {model.hop_seconds:g} s at"
            f" {model.sample_rate_hz} Hz",
        )
        if model.members:
            self.add("  made of", words.members(model.members))
        if model.layout:  # older servers do not send it
            least = model.min_speech_seconds
            parts = [
                "normalised" if model.normalize else "not normalised",
                _PADDING.get(model.padding, model.padding),
                f"scored from {least:g} s of speech on" if least else "scored even without speech",
            ]
            self.add("  windows are", ", ".join(parts))
            self.add("  cumulative", _UTTERANCE.get(model.utterance_score, model.utterance_score))
            if model.calibration is not None:
                self.add("  calibration", words.calibration(model.calibration))
            if model.spoof_label:
                self.add("  synthetic", f"output {model.spoof_label}")
            self.add("  layout", model.layout)
        if model.device:
            self.add("  runs on", f"{model.device}, {model.precision}, {model.engine}")


def info_table(info: ServerInfo, server: str) -> Table:
    """Returns a table of what a server offers."""
    rows = _Rows()
    rows.add("server", f"{server}, dfd {info.version or 'of unknown version'}")
    rows.add("streams", f"{info.active_streams} of {info.max_streams}")
    for model in info.models:
        rows.add_model(model)
    if info.watermarks:
        rows.add("watermarks", f"read for {', '.join(map(words.scheme_name, info.watermarks))}")
    rows.add("encodings", ", ".join(info.encodings))
    limits = info.limits
    rows.add("chunk", f"at most {_bytes(limits.max_chunk_bytes)}")
    rows.add("recording", f"at most {_bytes(limits.max_recording_bytes)} in one call")
    rows.add("channels", f"at most {limits.max_channel_count}")
    rows.add("idle streams end", _span(limits.idle_timeout_seconds))
    rows.add("long streams end", _span(limits.max_stream_seconds))
    rows.add("alerts", policy_words(info.default_alert_policy))
    return rows.table


def model_table(model: ModelInfo, policy: AlertPolicy, size: str) -> Table:
    """Returns a table about a model that is not being served.

    Args:
        model: its properties; device, precision and engine are left out if they are empty.
        policy: its thresholds.
        size: size of the network, in words.
    """
    rows = _Rows()
    rows.add_model(model)
    rows.add("  size", size)
    rows.add("  alerts", policy_words(policy))
    return rows.table


def policy_words(policy: AlertPolicy) -> str:
    """Describes an alert policy in a few words."""
    pairs = (("rolling", policy.rolling_threshold), ("cumulative", policy.cumulative_threshold))
    parts = [f"{name} P {value:.2f}" for name, value in pairs if value is not None]
    text = " or ".join(parts) or "none"
    if policy.consecutive_windows:
        text += f", {policy.consecutive_windows} windows in a row"
    if policy.hysteresis:
        text += f", cleared {policy.hysteresis:.2f} below"
    return text


def _bytes(count: int) -> str:
    return f"{count / (1 << 20):g} MiB" if count >= 1 << 20 else f"{count} bytes"


def _span(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:g} s"
