"""Several processes that share a port, all feeding one instance per model and device.

    supervisor   starts the processes, watches them, restarts the dead, drains and ends
    child        where such a process begins; `control` says what it is told and tells
    worker       one server of the port: its own sessions, the instances elsewhere
    remote       a worker's scheduler: windows into its slots, records to an instance, scores back
    instance     the process of one device: a local model that takes the windows of all workers
    memory       slots for windows and shared counts, in memory that all of them map
    records      what a worker and an instance say about a window, in a few bytes
    merge        the metrics of all processes on one page

    supervisor ── control ──▶ worker 0..N-1     gRPC on one port, sessions ┐ records, slots
         │                                                                 ├───────────────▶
         └─────── control ──▶ instance 0..M-1   a scheduler and a model    ┘  scores back

- Windows travel by shared memory and never by a socket: each worker has slots for windows, a
  record of 32 bytes says which slot, whose and when due, one of 40 bytes brings the score. The
  memory has no name in the file system: it is gone with the last process that maps it.
- The scheduler is the one that a single process has, over the streams of all workers. A worker
  sends a window to the instance with the fewest windows outstanding, by counts that all share;
  what finds no free slot waits in the worker by the same rules. `--max-streams` is counted there
  too, under a lock that dies with its holder.
- A process ends when its control channel closes, so nothing outlives the supervisor. Signals are
  for the supervisor alone.
- A process that dies is started again, later and later if it keeps dying. A dead worker's streams
  get UNAVAILABLE, and its places and slots are free at once. A dead instance's windows are tried
  one by one at another instance with nothing else of their worker out, and only the one whose
  instance dies again is FAILED. While there is no instance health says NOT_SERVING, new streams
  are told WARMING_UP, and live windows are shed when they are late.
- Metrics of all processes are one page; what the dead counted is kept. `dfd_ready` is 1 while
  every process is up.
"""
