"""The server: service, scheduler, limits, auth, metrics, life cycle.

From the port to the device and back:

    server       bind, warm, serve, drain, end; `listen` has the port, `tls` its credentials,
                 `address` and `life` what the front has in common with it
    service      lets calls in (`auth`, `admission`) and tells how they failed (`errors`)
    stream       one live stream: `reader` takes its requests, `outbox` its answers, and
                 `ends` names the ways it can end; `recording` is a whole file at once
    pipeline     between a stream's core and the scheduler: windows out, scores in
    engine       batches windows of all streams for the one thread that owns the device
    front        several processes on the port, and an engine process for each device
    convert, describe, events
                 between the wire's messages and the core's types
    health, reflection, metrics, logs
                 what operators see
    options, effective
                 how it is configured, and by what

`runtime` holds what the calls of one process share. Everything but the device's thread and
the metrics page belongs to one event loop.
"""
