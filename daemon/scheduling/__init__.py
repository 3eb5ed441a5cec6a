"""The dynamic batcher: groups the windows of all streams into batches for one device.

    contract     the interface of a model for streams, wherever it runs
    scheduler    one queue, earliest due first, one worker; `batching` holds its data,
                 `sizes` chooses how many windows run at once
    passes       forward passes on the device, given up where they hang
    device       the one thread that touches the device
    local        all of it in this process, from a loader to scores
    noop         a model that scores nothing, to measure the capacity of the daemon itself
    garbage      settings of the garbage collector after loading

A server has one in its process, or reaches those of `dfd.daemon.multiprocess`.
"""
