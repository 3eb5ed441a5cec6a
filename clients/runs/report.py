"""The report on a run of replays, as plain data for JSON."""

from dataclasses import fields
from typing import Any

from dfd.clients import events as ev
from dfd.clients.runs.latency import Latency
from dfd.clients.runs.replay import Replay, ReplayOptions
from dfd.clients.server_info import ModelInfo

Report = dict[str, Any]


def make_report(
    replays: list[Replay], options: ReplayOptions, server: str, wall_seconds: float
) -> Report:
    """Builds the report of a run, with times in seconds and latencies in milliseconds.

    `files` has one entry for each channel of each replay. Latencies run from the moment a
    window's last sample was sent to its result; at a speed above 1 they include the time that
    flow control kept audio waiting.
    """
    latency = Latency()
    counts = dict.fromkeys(("scored", "insufficient_speech", "shed", "failed"), 0)
    for replay in replays:
        latency.extend(replay.latency)
        for window in replay.windows:
            if window.status in counts:
                counts[window.status.value] += 1
    started = next((replay.started for replay in replays if replay.started), None)
    audio = sum(replay.sent_seconds for replay in replays)
    return {
        "server": server,
        "model": None if started is None else _model(started.model),
        "speed": "max" if options.speed is None else options.speed,
        "streams": options.streams,
        "replays": len(replays),
        "failed_replays": sum(replay.error is not None for replay in replays),
        "wall_seconds": round(wall_seconds, 3),
        "audio_seconds": round(audio, 3),
        "times_real_time": round(audio / wall_seconds, 3) if wall_seconds > 0 else None,
        "windows": counts,
        "alerts": sum(not alert.cleared for replay in replays for alert in replay.alerts),
        **latency.report(),
        "files": [entry for replay in replays for entry in _entries(replay)],
    }


def _model(model: ModelInfo) -> Report:
    return {
        "name": model.name,
        "version": model.version,
        "weights_sha256": model.weights_sha256,
        "window_seconds": model.window_seconds,
        "hop_seconds": model.hop_seconds,
        "device": model.device,
        "precision": model.precision,
    }


def _entries(replay: Replay) -> list[Report]:
    if replay.summary is None:
        error = str(replay.error) if replay.error is not None else "no summary arrived"
        return [_common(replay, 0) | {"verdict": None, "error": error}]
    return [_common(replay, one.channel) | _channel(one) for one in replay.summary.channels]


def _common(replay: Replay, channel: int) -> Report:
    windows = [
        _window(window, took)
        for window, took in zip(replay.windows, replay.window_latency, strict=True)
        if window.channel == channel
    ]
    return {
        "file": replay.name,
        "stream_id": replay.stream_id,
        "channel": channel,
        "lost_seconds": replay.lost_seconds,
        "alerts": sum(not a.cleared for a in replay.alerts if a.channel == channel),
        "warnings": sorted({w.reason for w in replay.warnings if w.channel in (None, channel)}),
        "findings": [str(finding) for finding in replay.findings],
        "whole": not replay.incomplete,
        "error": None,
        "windows": windows,
        **replay.latency.report(),
    }


def _channel(summary: ev.ChannelSummary) -> Report:
    cumulative, peak = summary.cumulative_score, summary.peak_rolling_score
    report: Report = {one.name: getattr(summary, one.name) for one in fields(summary)}
    for name in ("channel", "verdict", "inconclusive_reasons"):
        del report[name]
    del report["cumulative_score"], report["peak_rolling_score"]
    return {
        "verdict": summary.verdict.value,
        "inconclusive_reasons": list(summary.inconclusive_reasons),
        "cumulative_spoof_probability": cumulative and cumulative.spoof_probability,
        "cumulative_spoof_llr": cumulative and cumulative.spoof_llr,
        "peak_rolling_spoof_probability": peak and peak.spoof_probability,
        **report,
        "watermarks": [found.scheme for found in summary.watermarks],
    }


def _window(window: ev.WindowResult, took: float | None) -> Report:
    def score(one: ev.Score | None) -> Report | None:
        if one is None:
            return None
        return {"spoof_probability": one.spoof_probability, "spoof_llr": one.spoof_llr}

    return {
        "sequence": window.sequence,
        "start_seconds": window.start_seconds,
        "end_seconds": window.end_seconds,
        "speech_seconds": window.speech_seconds,
        "status": window.status.value,
        "provisional": window.provisional,
        "final": window.final,
        "window": score(window.window_score),
        "rolling": score(window.rolling_score),
        "cumulative": score(window.cumulative_score),
        "queue_ms": round(window.queue_seconds * 1000, 3),
        "compute_ms": round(window.compute_seconds * 1000, 3),
        "batch_size": window.batch_size,
        "latency_ms": None if took is None else round(took * 1000, 3),
    }
