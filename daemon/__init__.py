"""The server: service, scheduler, limits, authentication, metrics, life cycle.

From the port to the device and back:

    run, server  bind, warm, serve, drain, end; `readiness` says whether streams are accepted,
                 `lifecycle` has what they share with the supervisor, `systemd` the notifications
    endpoint/    `bind` opens the port; `doors` and `secrets` (`tls`, `auth`, `jwt`) decide who may
                 connect, `admission`, `shares` and `uploads` how much; `health`, `reflection`
    service      dispatches RPCs and reports how they failed (`errors`)
    rpc/         `stream` is one live stream: `reader` reads its requests, `outbox` holds its
                 responses, and `ends` names the ways it can end; `recording` is a whole file at
                 once; `audio` has what both share. `pipeline` connects a stream's core to the
                 scheduler: windows out, scores in; `watch` serves clients that may watch all
                 streams
    wire/        converts between the wire's messages and the core's types
    watch/       all streams of the daemon, as watchers see them
    scheduling/  batches windows of all streams for the one thread that owns the device
    multiprocess/
                 several processes that share the port, and an instance for each device
    vitals/      what the daemon measures of its own work; health and capacity follow from it
    metrics, page, logs
                 what operators see; `logqueue` and `lograte` keep the log from blocking anything
    options, effective
                 how it is configured, and where each value came from; `model_choice` has the
                 models and devices, `validation` refuses impossible values

`runtime` holds what the RPCs of one process share, `background` ends the tasks beside them.
Everything except the device thread and the metrics page belongs to one event loop.
"""
