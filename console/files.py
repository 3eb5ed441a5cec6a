"""The page that judges a recording, uploaded or synthesised on the spot."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from nicegui import events, ui

from dfd.clients.display import verdicts, words
from dfd.clients.display.casefile import sources
from dfd.clients.errors import DetectionError
from dfd.clients.options import StreamOptions
from dfd.clients.runs.judge import Judgement, judge
from dfd.clients.sources.recording import open_recording
from dfd.console import charts, frame
from dfd.console.examples import EXAMPLES, Example
from dfd.console.hub import Hub
from dfd.console.microphone import point
from dfd.errors import UserError

_MAX_BYTES = 256 << 20


def build(hub: Hub) -> None:
    """Builds the page."""
    with frame.page("/file", "File"):
        with frame.panel():
            frame.Text("Any audio file. It is sent to the daemon and not kept.", "dfd-soft")
            with ui.element("div").classes("dfd-row"):
                upload = ui.upload(auto_upload=True, max_file_size=_MAX_BYTES)
                upload.props('accept="audio/*,video/*,.wav,.flac,.ogg,.opus,.mp3,.gsm"')
                upload.style(
                    "display:none"
                )  # the button below has a label and works with the keyboard
                choose = ui.button("Choose a recording", icon="upload_file")
                choose.props("no-caps unelevated")
                choose.on("click", js_handler=f"() => getElement({upload.id}).pickFiles()")
                with ui.element("div").classes("dfd-examples"):
                    buttons = {}
                    for example in EXAMPLES:
                        button = ui.button(example.title)
                        button.props("no-caps outline align=left")
                        if not example.available:
                            button.disable()
                            button.set_text(f"{example.title} ({example.install})")
                        buttons[example.key] = button
            status = frame.Text(classes="dfd-soft", live="polite")
            bar = ui.linear_progress(0, show_value=False).props(
                'aria-label="Progress" rounded instant-feedback'
            )
        result = ui.element("div").style("display:flex;flex-direction:column;gap:1rem;width:100%")
        bar.set_visibility(False)
        busy = asyncio.Lock()

        def advance(share: float) -> None:
            bar.set_value(share)

        async def run(path: Path, name: str) -> None:
            if busy.locked():
                return
            async with busy:
                status.show(f"Judging {name} ...")
                bar.set_value(0)
                bar.set_visibility(True)
                result.clear()
                try:
                    recording = await asyncio.to_thread(open_recording, path)
                    options = StreamOptions(labels={"source": "console", "file": name[:200]})
                    found = await judge(hub.client, recording, options, name=name, progress=advance)
                except (UserError, DetectionError) as error:
                    reason = getattr(error, "message", "") or str(error)
                    status.show(f"Not judged: {reason.replace(str(path), name)}", "bad")
                else:
                    notes = [f"Judged {name}: {words.clock(found.seconds)} of audio."]
                    notes += [f"Incomplete: {one}." for one in found.findings]
                    status.show(" ".join(notes), "bad" if found.findings else "")
                    with result:
                        _show(found)
                finally:
                    bar.set_visibility(False)

        async def uploaded(event: events.UploadEventArguments) -> None:
            with tempfile.TemporaryDirectory(prefix="dfd-console-") as folder:
                suffix = Path(event.file.name).suffix[:16]
                path = Path(folder) / f"recording{suffix}"
                await event.file.save(path)
                upload.reset()
                await run(path, event.file.name)

        async def made(example: Example) -> None:
            with tempfile.TemporaryDirectory(prefix="dfd-console-") as folder:
                path = Path(folder) / f"{example.key}.wav"
                status.show("Synthesising ...")
                try:
                    await asyncio.to_thread(example.make, path)
                except UserError as error:
                    status.show(str(error), "bad")
                else:
                    await run(path, example.title)

        upload.on_upload(uploaded)
        upload.on_rejected(
            lambda: status.show("Not judged: the file is larger than 256 MiB", "bad")
        )
        for example in EXAMPLES:
            buttons[example.key].on_click(lambda _, example=example: made(example))


def _show(found: Judgement) -> None:
    rates = verdicts.rates_in_force(found.started)
    policy = found.started.alert_policy
    for channel in found.summary.channels:
        points = [point(window) for window in found.windows if window.channel == channel.channel]
        alerts = [a for a in found.alerts if a.channel == channel.channel and not a.cleared]
        with frame.panel():
            if len(found.summary.channels) > 1:
                frame.heading(f"Channel {channel.channel}", 2)
            text = verdicts.verdict(channel, rates)
            frame.Text(text, "dfd-verdict").show(text, frame.colour(text))
            frame.Text(verdicts.rates_sentence(rates), "dfd-soft")
            facts = frame.Facts("P(spoof)", "LLR", "speech", "windows", "first alert")
            score = channel.cumulative_score
            first = channel.first_alert_seconds
            facts.show(
                **{
                    "P(spoof)": words.probability(score),
                    "LLR": "-" if score is None else f"{score.spoof_llr:+.2f}",
                    "speech": f"{channel.speech_seconds:.1f} s",
                    "windows": str(channel.windows_scored),
                    "first alert": "none" if first is None else words.clock(first),
                }
            )
            wave = charts.waveform(found.peaks, found.seconds)
            ui.echart(wave).style("height:70px;width:100%").props(
                'role="img" aria-label="Waveform"'
            )
            ui.echart(
                charts.scores(
                    points,
                    rolling_threshold=policy.rolling_threshold,
                    cumulative_threshold=policy.cumulative_threshold,
                    speech=found.speech.get(channel.channel, []),
                    alerts=[(alert.offset_seconds, str(alert.trigger)) for alert in alerts],
                    seconds=found.seconds,
                )
            ).style("height:300px;width:100%").props('role="img" aria-label="Scores over time"')
            frame.Text(
                "The blue line is what the verdict follows: 0.5 is undecided, above it the"
                " evidence is for a synthetic voice. The LLR is the same on the scale on which you"
                " add what you know besides: 0 is even, +2.3 is ten to one.",
                "dfd-soft",
            )
    with frame.panel():
        model = found.started.model
        frame.Text(
            f"Model {model.name} {model.version}, weights {model.weights_sha256[:16]}...;"
            f" the file's SHA-256 is {found.sha256}.",
            "dfd-soft",
        ).wrap()
        frame.report_button(lambda: sources.from_judgement(found))
