"""The server: service, scheduler, limits, authentication, metrics, life cycle.

From the port to the device and back:

    server       bind, warm, serve, drain, end; `lifecycle` has what the supervisor does likewise
    endpoint/    `bind` has the port, `tls` its credentials, `auth` and `admission` say who is
                 let in; `health` and `reflection`
    service      dispatches RPCs and reports how they failed (`errors`)
    rpc/         `stream`, one live stream: `reader` takes its requests, `outbox` its answers, and
                 `ends` names the ways it can end; `recording` is a whole file at once.
                 `pipeline` is between a stream's core and the scheduler: windows out, scores in;
                 `watch`, for whoever may watch all streams
    wire/        between the wire's messages and the core's types
    watch/       all streams of the daemon, as they are shown
    scheduling/  batches windows of all streams for the one thread that owns the device
    multiprocess/
                 several processes that share the port, and an engine process for each device
    metrics, logs
                 what operators see
    options, effective
                 how it is configured, and by what

`runtime` holds what the RPCs of one process share. Everything but the device's thread and
the metrics page belongs to one event loop.
"""
