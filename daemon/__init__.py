"""The server: service, scheduler, limits, authentication, metrics, life cycle.

From the port to the device and back:

    run, server  bind, warm, serve, drain, end; `lifecycle` has what the supervisor does likewise,
                 `systemd` what it is told
    endpoint/    `bind` has the port; `doors` and `secrets` (`tls`, `auth`, `jwt`) say who may
                 speak, `admission`, `shares` and `uploads` how much; `health`, `reflection`
    service      dispatches RPCs and reports how they failed (`errors`)
    rpc/         `stream`, one live stream: `reader` takes its requests, `outbox` its answers, and
                 `ends` names the ways it can end; `recording` is a whole file at once.
                 `pipeline` is between a stream's core and the scheduler: windows out, scores in;
                 `watch`, for whoever may watch all streams
    wire/        between the wire's messages and the core's types
    watch/       all streams of the daemon, as they are shown
    scheduling/  batches windows of all streams for the one thread that owns the device
    multiprocess/
                 several processes that share the port, and an instance for each device
    vitals/      what it knows of its own work while it runs: health and capacity follow that
    metrics, page, logs
                 what operators see; `logqueue` and `lograte` keep the log from holding up anything
    options, effective
                 how it is configured, and by what

`runtime` holds what the RPCs of one process share. Everything but the device's thread and
the metrics page belongs to one event loop.
"""
