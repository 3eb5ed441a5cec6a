"""The engine: windows of all streams into batches for one device.

scheduler    one queue, earliest due first, one worker; `batching` holds its data
device       the one thread that touches the device
"""
