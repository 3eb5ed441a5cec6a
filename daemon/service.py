"""`dfd.v1.DetectionService`: admits calls, serves them and reports failures.

Requests reach the handlers as bytes, so that even what cannot be parsed gets a status
with a reason. Every method is registered with a stream of requests, which is the same on the
wire: otherwise grpc would read a whole single request before the handler could refuse it. The same
holds for responses, which grpc would write without a limit on the time.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from dfd.daemon.endpoint.auth import Right, Token
from dfd.daemon.errors import StatusError, abort, alone, internal
from dfd.daemon.lograte import BoundedLog
from dfd.daemon.logs import log
from dfd.daemon.rpc.audio import AudioRpc
from dfd.daemon.rpc.ends import ClientGoneError
from dfd.daemon.rpc.manage import serve as manage
from dfd.daemon.rpc.recording import Recording
from dfd.daemon.rpc.stream import Stream
from dfd.daemon.rpc.watch import serve as serve_watcher
from dfd.daemon.rpc.writer import write_message
from dfd.daemon.runtime import Runtime
from dfd.daemon.wire import describe
from dfd.daemon.wire.requests import ENCODINGS
from dfd.detector.traits import default_policy
from dfd.detector.watermarks.schemes import named
from dfd.messages import to_message
from dfd.v1 import detection_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["DetectionService"].full_name

# logged at a bounded rate, because no stream was started that would log them
REFUSALS = {
    *("TOKEN_MISSING", "TOKEN_UNKNOWN", "TOKEN_NOT_ALLOWED", "MODEL_NOT_ALLOWED", "ADMIN_OFF"),
    *("SERVER_FULL", "OVERLOADED", "PEER_FULL", "TOKEN_FULL", "TOKEN_SPENT"),
}

# answers to GetServerInfo that are being written at once, far fewer than there may be RPCs, and how
# long each may take
_QUESTIONS, _INFO_SECONDS = 256, 5.0

_Context = grpc.aio.ServicerContext[bytes, bytes]
_Answer = TypeVar("_Answer")


class DetectionService:
    """The methods of the contract."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._refused = BoundedLog()
        self._questions = 0

    def handler(self) -> grpc.GenericRpcHandler:
        """Returns the handler to add to a gRPC server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "StreamingDetect": grpc.stream_stream_rpc_method_handler(self.streaming_detect),
                "Detect": grpc.stream_stream_rpc_method_handler(self.detect),
                "GetServerInfo": grpc.stream_stream_rpc_method_handler(self.get_server_info),
                "WatchStreams": grpc.stream_stream_rpc_method_handler(self.watch_streams),
                "ManageModel": grpc.stream_stream_rpc_method_handler(self.manage_model),
            },
        )

    async def streaming_detect(self, _: object, context: _Context) -> None:
        """Serves a live stream."""

        async def serve(token: Token | None) -> str:
            with self._place(context, token):
                stream = Stream(self._runtime, context, token)
                with self._charged(stream, token):
                    await stream.run()
            return stream.stream_id

        await self._guarded(context, Right.DETECT, serve)

    async def detect(self, _: object, context: _Context) -> None:
        """Scores a recording."""

        async def serve(token: Token | None) -> None:
            with self._place(context, token):
                recording = Recording(self._runtime, context, token)
                with self._charged(recording, token):
                    response = await recording.run()
                await self._answer(context, response, self._runtime.options.write_timeout_seconds)

        await self._guarded(context, Right.DETECT, serve)

    async def get_server_info(self, _: object, context: _Context) -> None:
        """Tells what this server offers."""

        async def serve(_: Token | None) -> None:
            with self._telling():
                self._runtime.check_warm()
                await self._answer(context, self._info(), _INFO_SECONDS)

        await self._guarded(context, Right.INFO, serve)

    async def watch_streams(self, _: object, context: _Context) -> None:
        """Serves a watcher of all streams."""

        async def serve(_: Token | None) -> None:
            await serve_watcher(self._runtime, context)

        await self._guarded(context, Right.WATCH, serve)

    async def manage_model(self, _: object, context: _Context) -> None:
        """Replaces a model while streams run."""

        async def serve(token: Token | None) -> None:
            who = None if token is None else token.name
            limit = self._runtime.options.write_timeout_seconds
            await self._answer(context, await manage(self._runtime, context, who), limit)

        await self._guarded(context, Right.ADMIN, serve)

    @staticmethod
    async def _answer(context: _Context, response: Message, limit_seconds: float) -> None:
        await write_message(context, response.SerializeToString(), limit_seconds)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Holds one of the places for questions about the server.

        Raises:
            StatusError: with TOO_MANY_REQUESTS.
        """
        if self._questions >= _QUESTIONS:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_REQUESTS",
                f"{_QUESTIONS} such requests are being answered already; try again",
                retry_seconds=self._runtime.options.retry_seconds,
            )
        self._questions += 1
        try:
            yield
        finally:
            self._questions -= 1

    def _info(self) -> pb.GetServerInfoResponse:
        runtime = self._runtime
        specs = [model.spec for model in runtime.models.values()]
        return pb.GetServerInfoResponse(
            version=runtime.version,
            models=[describe.model_message(spec) for spec in specs],
            encodings=ENCODINGS,
            limits=describe.limits_message(runtime.options),
            active_streams=runtime.admission.taken,
            max_streams=runtime.admission.max_streams,
            default_alert_policy=to_message(pb.AlertPolicy, default_policy(specs[0])),
            model_cards=[spec.card_text for spec in specs],
            watermarks=[scheme.name for scheme in named(runtime.options.watermarks)],
        )

    @contextlib.contextmanager
    def _place(self, context: _Context, token: Token | None) -> Iterator[None]:
        """Holds a slot of the daemon, of the token and of the peer.

        Raises:
            StatusError: if there is none.
        """
        runtime = self._runtime
        with runtime.admission.slot(), runtime.shares.hold(context.peer(), token):
            runtime.check_models(token)
            yield

    @contextlib.contextmanager
    def _charged(self, rpc: AudioRpc, token: Token | None) -> Iterator[None]:
        """Charges the audio of an RPC to its token, and names the RPC in a fault that ends it."""
        try:
            yield
        except (StatusError, ClientGoneError):
            raise
        except Exception as error:
            raise _FaultError(rpc.stream_id) from error
        finally:
            self._runtime.shares.spend(token, rpc.audio_seconds)

    async def _guarded(
        self,
        context: _Context,
        right: Right,
        serve: Callable[[Token | None], Awaitable[_Answer]],
    ) -> _Answer | None:
        """Serves one RPC; whatever it raises becomes the status of this RPC alone."""
        try:
            token = self._runtime.auth.check(context.invocation_metadata(), right)
            return await serve(token)
        except StatusError as error:
            failure = alone(error)
        except ClientGoneError:
            return None
        except asyncio.CancelledError:
            raise
        except Exception as error:
            stream_id = str(error) if isinstance(error, _FaultError) else "-"
            log(logging.ERROR, "server fault", exc_info=True, stream_id=stream_id)
            failure = internal(stream_id)
        self._runtime.metrics.errors.labels(failure.code.name, failure.reason).inc()
        if failure.reason in REFUSALS:
            self._refused(
                "call refused", reason=failure.reason, peer=context.peer(), right=right.value
            )
        return await abort(context, failure)


class _FaultError(Exception):
    """A fault of the server, with the id of the stream that it ended."""
