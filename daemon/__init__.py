"""The server: service, scheduler, limits, auth, metrics, life cycle.

From the port to the device and back:

    server       bind, warm, serve, drain, end; `life` has what the front has in common with it
    port/        `listen` has the port, `tls` its credentials, `auth` and `admission` say who
                 gets in; `health` and `reflection`
    service      lets calls in and tells how they failed (`errors`)
    calls/       `stream`, one live stream: `reader` takes its requests, `outbox` its answers, and
                 `ends` names the ways it can end; `recording` is a whole file at once.
                 `pipeline` is between a call's core and the scheduler: windows out, scores in;
                 `convert`, `describe` and `events` between the wire's messages and the core's types
    engine/      batches windows of all streams for the one thread that owns the device
    front/       several processes on the port, and an engine process for each device
    metrics, logs
                 what operators see
    options, effective
                 how it is configured, and by what

`runtime` holds what the calls of one process share. Everything but the device's thread and
the metrics page belongs to one event loop.
"""
