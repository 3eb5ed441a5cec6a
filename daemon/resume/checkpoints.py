"""The checkpoints of one stream: the state that it continues from, and when the next is due."""

import hashlib
import logging

from dfd.daemon.logs import log
from dfd.daemon.resume.seal import Binding, RefusedStateError, Seal, Sealed
from dfd.streaming.session import StreamSession
from dfd.streaming.state import SessionState
from dfd.v1 import detection_pb2 as pb

REFUSED = "RESUME_REFUSED"
# Consecutive checkpoints are at least this far apart in the stream, unless there was an alert.
_INTERVAL_SECONDS = 1.0


class Checkpoints:
    """Opens the state that a client hands back, and signs the states sent to it.

    Args:
        seal: the daemon's seal.
        config: effective configuration of the stream.
        weights_sha256: digest of the model's weights.
        caller: name of the client's token; None if none is required.

    Attributes:
        refused: why the state that was handed back was refused; None if there was none, or it was
            accepted.
        call: key of this call in the journal, empty without a journal.
    """

    def __init__(
        self, seal: Seal, config: pb.StreamingDetectConfig, weights_sha256: str, caller: str | None
    ) -> None:
        self._seal = seal
        self._binding = Binding(
            config.stream_id, caller or "", weights_sha256, _configuration(config)
        )
        self._rate = config.audio_format.sample_rate_hertz
        self._given: SessionState | None = None
        self._urgent = False
        self.refused: str | None = None
        self.call = ""

    def open(self, raw: bytes) -> Sealed | None:
        """Opens the state that a client hands back; None if there is none, or it is refused."""
        if not raw:
            return None
        try:
            return self._seal.open(raw, self._binding)
        except RefusedStateError as error:
            self.refuse(str(error))
            return None

    def refuse(self, why: str) -> None:
        """Continues without the state."""
        self.refused = (
            f"the evidence before the connection broke cannot be used, so it starts afresh: {why}"
        )
        log(
            logging.WARNING,
            "state of a stream refused",
            stream_id=self._binding.stream_id,
            why=why,
        )

    def alerted(self) -> None:
        """Notes that the client has received an alert, which must not be repeated elsewhere."""
        self._urgent = True

    def next(self, session: StreamSession, *, last: bool = False) -> pb.Checkpoint | None:
        """Returns the next checkpoint; None if it is too early for one.

        Args:
            session: a session that keeps its state.
            last: whether no other will follow.
        """
        state, given = session.state, self._given
        if state is None or state is given:
            return None
        fresh = given is None or state.frames - given.frames >= _INTERVAL_SECONDS * self._rate
        if not (fresh or self._urgent or last):
            return None
        self._given, self._urgent = state, False
        return pb.Checkpoint(
            state=self._seal.sign(self._binding, self.call, state), resume_offset=state.frames
        )


def _configuration(config: pb.StreamingDetectConfig) -> str:
    """Returns a digest of everything that decides how the audio is judged."""
    judged = pb.StreamingDetectConfig()
    judged.CopyFrom(config)
    for name in ("stream_id", "labels", "window_results", "checkpoints", "resume_state"):
        judged.ClearField(name)
    judged.vad.ClearField("activity_events")
    return hashlib.sha256(judged.SerializeToString(deterministic=True)).hexdigest()[:32]
