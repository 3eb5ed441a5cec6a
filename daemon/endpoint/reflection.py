"""Server reflection, under its stable name as well as the older one that grpcio knows."""

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

# v1 has the messages of v1alpha under another name
_NAMES = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")


def add_reflection(server: grpc.aio.Server, services: tuple[str, ...]) -> None:
    """Lets tools such as grpcurl ask for the contract."""
    # what is listed can be asked for; of the newer name grpcio has no description
    servicer = reflection.aio.ReflectionServicer((*services, reflection.SERVICE_NAME))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            for name in _NAMES
        ]
    )
