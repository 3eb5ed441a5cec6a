"""The page for the browser's microphone."""

from __future__ import annotations

from nicegui import ui

from dfd.clients.display import verdicts, words
from dfd.clients.display.meter import MeterState
from dfd.clients.events import Score
from dfd.console import charts, frame
from dfd.console.hub import Hub
from dfd.console.microphone import SCRIPT, Session

_REFRESH_SECONDS = 0.2


def build(hub: Hub, session: Session) -> None:
    """Builds the page."""
    with frame.page("/", "Live"):
        ui.add_body_html(f"<script>{SCRIPT}</script>")
        with frame.panel():
            with ui.element("div").classes("dfd-row"):
                start = ui.button("Start listening", icon="mic").props("no-caps unelevated")
                start.on("click", js_handler=f"() => window.dfdMicrophone.start('{session.key}')")
                stop = ui.button("Stop", icon="stop").props("no-caps outline")
                stop.on("click", js_handler="() => window.dfdMicrophone.stop()")
            hint = frame.Text(
                "Your voice is sent to the daemon and not kept. Speak for a few seconds.",
                "dfd-soft",
            )
        alert = frame.Text(classes="dfd-alert", live="assertive")
        with frame.panel():
            verdict = frame.Text("Nothing heard yet", "dfd-verdict", live="polite")
            rates = frame.Text(classes="dfd-soft")
            with ui.element("div").classes("dfd-meter") as bar:
                level = ui.element("div")
            bar.props('role="meter" aria-label="Level" aria-valuenow="-60"')
            bar.props('aria-valuemin="-60" aria-valuemax="0"')
            facts = frame.Facts("heard", "speech", "window", "rolling", "whole stream", "alerts")
        with frame.panel():
            frame.heading("Scores", 2)
            chart = ui.echart(charts.scores([], rolling_threshold=None, cumulative_threshold=None))
            chart.style("height:300px;width:100%").props('role="img" aria-label="Scores over time"')
            frame.Text(
                "0 is human, 1 is synthetic. Green: speech. Dashed: thresholds for alerts.",
                "dfd-soft",
            )
        failed: list[str] = []
        ui.on("dfd_microphone_failed", lambda e: failed.append(str(e.args)))
        seen = {"version": -1, "windows": -1}

        def refresh() -> None:
            state = session.state
            start.set_visibility(not session.running)
            stop.set_visibility(session.running)
            if session.running:
                failed.clear()
                share = round(max(0.0, min(1.0, (state.level + 60) / 60)) * 100)
                level.style(f"width:{share}%")
                bar.props(f'aria-valuenow="{round(max(-60.0, state.level))}"')
            facts.show(
                heard=words.clock(state.elapsed_seconds),
                speech="yes" if state.speaking else "no",
            )
            trouble = session.trouble or (failed[-1] if failed else "")
            hint.show(
                f"Cannot listen: {trouble}"
                if trouble
                else "Your voice is sent to the daemon and not kept. Speak for a few seconds.",
                "bad" if trouble else "",
            )
            if seen["version"] == session.version:
                return
            seen["version"] = session.version
            _scores(state, facts)
            text = _verdict(session)
            verdict.show(text, frame.colour(text))
            rates.show(verdicts.rates_sentence(state.rates) if session.started else "")
            raised = list(state.raised.values())
            alert.visible(bool(raised))
            if raised:
                one = raised[0]
                alert.show(f"Alert at {words.clock(one.offset_seconds)}: {words.alert(one)}")
            if seen["windows"] != len(session.points) + len(session.speech):
                seen["windows"] = len(session.points) + len(session.speech)
                policy = session.started.alert_policy if session.started else None
                chart.options.clear()
                chart.options.update(
                    charts.scores(
                        session.points,
                        rolling_threshold=policy.rolling_threshold if policy else None,
                        cumulative_threshold=policy.cumulative_threshold if policy else None,
                        speech=session.heard_speech(),
                        alerts=session.alerts,
                        seconds=max(10.0, state.elapsed_seconds),
                    )
                )
                chart.update()

        alert.visible(False)
        ui.timer(_REFRESH_SECONDS, refresh)


def _scores(state: MeterState, facts: frame.Facts) -> None:
    def shown(score: Score | None) -> str:
        return words.probability(score)

    facts.show(
        window=shown(state.window),
        rolling=shown(state.rolling),
        whole_stream=shown(state.cumulative),
        alerts=str(state.alerts),
    )


def _verdict(session: Session) -> str:
    if session.summary is not None:
        (channel,) = session.summary.channels
        return verdicts.verdict(channel, session.state.rates)
    if not session.running and session.started is None:
        return "Nothing heard yet"
    return session.state.verdict()
