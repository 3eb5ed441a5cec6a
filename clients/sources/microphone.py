"""The microphone as blocks of audio in an event loop.

PortAudio calls back on its own thread; each block is passed to the loop with
`call_soon_threadsafe`. Blocks that the loop does not take in time, and those that PortAudio
itself had to drop, become jumps of the position, so that a gap stays a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from dfd.clients.audio import MAX_RATE_HZ, MIN_RATE_HZ, AudioFormat, Encoding
from dfd.errors import UserError

_BLOCK_SECONDS = 0.05
_WAITING_BLOCKS = 200  # ten seconds


@dataclass(frozen=True, slots=True)
class Device:
    """An input device of this machine."""

    index: int
    name: str
    channels: int
    default_rate_hz: int
    default: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Interleaved LINEAR16 frames and the position of the first one."""

    offset: int
    content: bytes


def list_devices() -> list[Device]:
    """Lists the inputs that PortAudio sees.

    Raises:
        UserError: if PortAudio is missing.
    """
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        Device(
            index=index,
            name=str(device["name"]),
            channels=int(device["max_input_channels"]),
            default_rate_hz=int(device["default_samplerate"]),
            default=index == default,
        )
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def find_device(wanted: str | None) -> Device:
    """Finds an input by its number or part of its name, or the default one.

    Raises:
        UserError: if there is none, or the name fits several.
    """
    devices = list_devices()
    if not devices:
        raise UserError("no microphone was found: connect one, or check that the system sees it")
    if wanted is None:
        chosen = [device for device in devices if device.default] or devices[:1]
    elif wanted.isdecimal():
        chosen = [device for device in devices if device.index == int(wanted)]
    else:
        low = wanted.lower()
        chosen = [device for device in devices if device.name.lower() == low] or [
            device for device in devices if low in device.name.lower()
        ]
    if not chosen:
        raise UserError(f"there is no input device {wanted!r}: see dfd listen --list-inputs")
    if len(chosen) > 1:
        names = ", ".join(f"{device.index} ({device.name})" for device in chosen)
        raise UserError(f"{wanted!r} matches several devices: choose one by number: {names}")
    return chosen[0]


def check(device: Device) -> None:
    """Looks whether an input can be opened, without recording anything.

    Raises:
        UserError: if it cannot.
    """
    sounddevice = _sounddevice()
    problem: Exception | None = None
    for rate in _rates(device):
        try:
            sounddevice.check_input_settings(
                device=device.index, channels=1, dtype="int16", samplerate=rate
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            problem = error
            continue
        return
    raise _closed(device, problem)


def _rates(device: Device) -> list[int]:
    """Rates to try, best first."""
    rates = dict.fromkeys((16000, device.default_rate_hz, 48000, 44100, 8000))
    return [rate for rate in rates if MIN_RATE_HZ <= rate <= MAX_RATE_HZ]


def _closed(device: Device, problem: Exception | None) -> UserError:
    return UserError(
        f"the device {device.name!r} cannot be opened: check whether another program is using it"
        f" ({problem})"
    )


class Microphone:
    """One channel of an input, open within its context; iterating yields blocks.

    Raises:
        UserError: on entering, when the device cannot be opened.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.audio_format = AudioFormat()
        self.overruns = 0
        self._blocks: deque[Block] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        self._position = 0
        self._began = 0.0
        self._stream: Any = None
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        sounddevice = _sounddevice()
        problem: Exception | None = None
        for rate in _rates(self.device):
            try:
                self._stream = sounddevice.RawInputStream(
                    samplerate=rate,
                    blocksize=round(rate * _BLOCK_SECONDS),
                    device=self.device.index,
                    channels=1,
                    dtype="int16",
                    callback=self._callback,
                    finished_callback=self._finished,
                )
            except (sounddevice.PortAudioError, ValueError) as error:
                problem = error
                continue
            self.audio_format = AudioFormat(Encoding.LINEAR16, rate, 1)
            self._began = time.monotonic()
            self._stream.start()
            return self
        raise _closed(self.device, problem)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            await asyncio.to_thread(self._stream.close)

    def stop(self) -> None:
        """Ends the iteration after the blocks already waiting."""
        self._ended = True
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Block]:
        """Yields blocks of a twentieth of a second until `stop`, or until the device disappears."""
        while True:
            while self._blocks:
                yield self._blocks.popleft()
            if self._ended:
                return
            self._arrived.clear()
            # PortAudio ends the stream if the device disappears; the user ends it otherwise
            await self._arrived.wait()

    # runs on PortAudio's thread

    def _callback(self, data: Any, frames: int, when: Any, status: Any) -> None:
        if status.input_overflow:
            # PortAudio does not say how much it dropped, so the clock tells
            behind = time.monotonic() - self._began - frames / self.audio_format.sample_rate_hz
            late = self.audio_format.frames(behind) - self._position
            self._position += max(0, late)
            self.overruns += 1
        block = Block(self._position, bytes(data))
        self._position += frames
        self._tell(self._take, block)

    def _finished(self) -> None:
        self._tell(self.stop)

    def _tell(self, what: Any, *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(what, *arguments)

    def _take(self, block: Block) -> None:
        self._blocks.append(block)
        if len(self._blocks) > _WAITING_BLOCKS:
            self._blocks.popleft()
            self.overruns += 1
        self._arrived.set()


def _sounddevice() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError):
        raise UserError(
            "PortAudio is missing: apt install libportaudio2, and run dfd listen again"
        ) from None
    return sounddevice
