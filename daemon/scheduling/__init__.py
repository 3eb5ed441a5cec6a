"""The dynamic batcher: windows of all streams into batches for one device.

    contract     what streams need of a model, wherever it runs
    scheduler    one queue, earliest due first, one worker; `batching` holds its data
    passes       forward passes on the device, given up where they hang
    device       the one thread that touches the device
    local        all of it in this process, from a loader to scores
    noop         a model that judges nothing, to measure what the daemon holds
    garbage      the collector, told what stays

A server has one in its process, or reaches those of `dfd.daemon.multiprocess`.
"""
