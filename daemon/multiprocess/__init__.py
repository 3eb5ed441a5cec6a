"""Several processes that share a port, all feeding one instance per model and device.

    run          such a daemon, from start to end
    supervisor   starts the processes, watches them, restarts dead ones, drains and stops
    process      one of them, as the supervisor sees it; `gather` collects the metrics of all,
                 `relay` shows the streams of each worker to the watchers of the others
    child        the entry point of such a process; `control` has the messages to and from it,
                 `channel` the socket they travel on
    worker       one server of the port, with its own sessions but no model
    remote       a worker's scheduler: windows into its slots, records to an instance, scores back
    instance     the process of one device: a local model that scores the windows of all workers
    changes      replaces a model in all of its instances or in none; `steps` is the part of an
                 instance in that, `replaced` that of a worker
    memory       slots for windows and shared counts, in memory that all of them map
    records      the messages about a window between a worker and an instance, a few bytes each
    merge        the metrics of all processes on one page

    supervisor ── control ──▶ worker 0..N-1     gRPC on one port, sessions ┐ records, slots
         │                                                                 ├───────────────▶
         └─────── control ──▶ instance 0..M-1   a scheduler and a model    ┘  scores back

- Windows travel through shared memory and never through a socket: each worker has slots for
  windows; a record of 32 bytes says which slot, whose it is and when it is due, and one of 40
  bytes brings the score back. The memory has no name in the file system: it disappears with the
  last process that maps it.
- The scheduler is the same as in a single process, over the streams of all workers. A worker
  sends a window to the instance with the fewest windows outstanding, by shared counts; windows
  that find no free slot wait in the worker by the same rules. `--max-streams` is counted in the
  shared memory too, under a lock that is released when its holder dies.
- A process ends when its control channel closes, so nothing outlives the supervisor. Only the
  supervisor handles signals.
- A process that dies is restarted, with growing delays if it keeps dying. A dead worker's streams
  get UNAVAILABLE, and its stream and window slots are free at once. A dead instance's windows are
  retried one by one at another instance while nothing else of their worker is in flight, and only
  the one whose instance dies again is FAILED. While there is no instance, health says NOT_SERVING,
  new streams get WARMING_UP, and live windows are shed when they are late.
- A model is replaced while streams run: the other one is loaded in every instance of it, then
  every instance switches, and only then is that recorded and told to the workers. If one instance
  fails, all go back. A process that starts later begins with what was recorded.
- The metrics of all processes appear on one page, including what dead processes counted.
  `dfd_ready` is 1 while every process is up.
"""
