"""Several processes that share a port, all feeding one engine process per device.

    supervisor   starts the processes, watches them, restarts the dead, drains and ends
    child        where such a process begins; `control` says what it is told and tells
    worker       one server of the port: its own sessions, the engines elsewhere
    remote       a worker's scheduler: windows into its slots, records to an engine, scores back
    engine       an engine process: a local model that takes the windows of all workers
    memory       slots for windows and shared counts, in memory that all of them map
    records      what a worker and an engine say about a window, in a few bytes
    merge        the metrics of all processes on one page

Windows travel by shared memory and never by a socket. The memory has no name in the file
system: it is gone with the last process that maps it, however that one ends.
"""
