"""Starts live streams behind Ray Serve's gRPC proxy, on a cluster of this machine alone.

    python -m dfd.benchmarks.ray.proxy [NAME=VALUE ...]

The arguments are options of `dfd serve`, such as threads=1. It prints the address when streams are
accepted, and serves until it is ended.
"""

import logging
import signal
import socket
import sys
from typing import Any

import ray
from ray import serve
from ray.serve.config import gRPCOptions

from dfd.benchmarks.ray.front import Front

_READY_SECONDS = 300.0
_STREAMS = 1000


def main(arguments: list[str]) -> None:
    """Runs the command."""
    options: dict[str, object] = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        options[name] = int(value) if value.isdecimal() else value
    ray.init(
        address="local",
        namespace="dfd",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(
        grpc_options=gRPCOptions(
            port=port, grpc_servicer_functions=["dfd.benchmarks.ray.front.register"]
        )
    )
    deployment: Any = serve.deployment(
        Front,
        max_ongoing_requests=_STREAMS,
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    handle = serve.run(deployment.bind(options), name="dfd", route_prefix="/dfd")
    handle.ready.remote().result(timeout_s=_READY_SECONDS)
    print(f"dfd ready on 127.0.0.1:{port}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    end: Any = ray.shutdown
    end()


if __name__ == "__main__":
    main(sys.argv[1:])
