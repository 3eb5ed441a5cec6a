"""The checkpoints of one stream: what it goes on with, and when it gives the next."""

import hashlib
import logging

from dfd.daemon.logs import log
from dfd.daemon.resume.seal import Belongs, RefusedStateError, Seal, Sealed
from dfd.streaming.session import StreamSession
from dfd.streaming.state import SessionState
from dfd.v1 import detection_pb2 as pb

REFUSED = "RESUME_REFUSED"
# Between two checkpoints lies at least this much of the stream, unless there was an alert.
_INTERVAL_SECONDS = 1.0


class Checkpoints:
    """Opens the state that a client hands back, and closes those that it is given.

    Args:
        seal: of the daemon.
        config: in force on the stream.
        weights_sha256: of the model.
        caller: name of the client's token.

    Attributes:
        refused: why the state that was handed back is not taken; None: there was none, or it is.
        call: the journal's key of this call, empty without one.
    """

    def __init__(
        self, seal: Seal, config: pb.StreamingDetectConfig, weights_sha256: str, caller: str | None
    ) -> None:
        self._seal = seal
        self._belongs = Belongs(
            config.stream_id, caller or "", weights_sha256, _configuration(config)
        )
        self._rate = config.audio_format.sample_rate_hertz
        self._given: SessionState | None = None
        self._urgent = False
        self.refused: str | None = None
        self.call = ""

    def open(self, raw: bytes) -> Sealed | None:
        """The state that a client hands back; None where it gives none, or it is refused."""
        if not raw:
            return None
        try:
            return self._seal.open(raw, self._belongs)
        except RefusedStateError as error:
            self.refuse(str(error))
            return None

    def refuse(self, why: str) -> None:
        """Goes on without the state."""
        self.refused = (
            f"the evidence before the connection broke cannot be used, and starts anew: {why}"
        )
        log(
            logging.WARNING,
            "state of a stream refused",
            stream_id=self._belongs.stream_id,
            why=why,
        )

    def alerted(self) -> None:
        """The client is told of an alert, which it must not be told again elsewhere."""
        self._urgent = True

    def next(self, session: StreamSession, *, last: bool = False) -> pb.Checkpoint | None:
        """What the stream has come to; None where it is not worth telling yet.

        Args:
            session: keeps its state.
            last: no other will follow.
        """
        state, given = session.state, self._given
        if state is None or state is given:
            return None
        fresh = given is None or state.frames - given.frames >= _INTERVAL_SECONDS * self._rate
        if not (fresh or self._urgent or last):
            return None
        self._given, self._urgent = state, False
        return pb.Checkpoint(
            state=self._seal.close(self._belongs, self.call, state), resume_offset=state.frames
        )


def _configuration(config: pb.StreamingDetectConfig) -> str:
    """Digest of all that decides how the audio is judged."""
    judged = pb.StreamingDetectConfig()
    judged.CopyFrom(config)
    for name in ("stream_id", "labels", "window_results", "checkpoints", "resume_state"):
        judged.ClearField(name)
    judged.vad.ClearField("activity_events")
    return hashlib.sha256(judged.SerializeToString(deterministic=True)).hexdigest()[:32]
