"""A small room, simulated by the image method (Allen and Berkley 1979)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray

ROOM_METRES = (3.5, 3.0, 2.5)
ABSORPTION = 0.3
DECAY_SECONDS = 0.34  # follows from these, by Schroeder's curve
_SOUND_METRES_PER_SECOND = 343.0
_PLACES = 8
_MARGIN_METRES = 0.4


def reverberate(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Adds the reverberation of the room to samples (N,), at one of 8 pairs of positions.

    The level stays the same.
    """
    from scipy.signal import fftconvolve

    response = impulse_response(int(generator.integers(_PLACES)))
    wet = fftconvolve(samples, response)[: samples.size]
    level = float(np.sqrt(np.mean(samples**2))) / max(float(np.sqrt(np.mean(wet**2))), 1e-9)
    return np.asarray(wet * level, dtype=np.float32)


@lru_cache(maxsize=_PLACES)
def impulse_response(place: int) -> FloatArray:
    """Returns the response from a mouth to a microphone, float32; the direct sound is at sample 0.

    Every wall absorbs `ABSORPTION` of the energy.
    """
    generator = np.random.default_rng(place)
    room = np.array(ROOM_METRES)
    source, microphone = generator.uniform(_MARGIN_METRES, room - _MARGIN_METRES, (2, 3))
    reflected = np.sqrt(1 - ABSORPTION)

    reach = DECAY_SECONDS * _SOUND_METRES_PER_SECOND
    orders = [np.arange(-n, n + 1) for n in np.ceil(reach / (2 * room)).astype(int)]
    # along each axis an image is mirrored or not, in each copy of the room
    offsets, bounces = [], []
    for axis, order in enumerate(orders):
        copy, mirrored = np.meshgrid(order, (0, 1), indexing="ij")
        image = (1 - 2 * mirrored) * source[axis] + 2 * copy * room[axis]
        offsets.append((image - microphone[axis]).ravel())
        bounces.append(np.abs(2 * copy - mirrored).ravel())
    squares = (
        offsets[0][:, None, None] ** 2 + offsets[1][None, :, None] ** 2 + offsets[2] ** 2
    ).ravel()
    count = (bounces[0][:, None, None] + bounces[1][None, :, None] + bounces[2]).ravel()
    distance = np.sqrt(squares)
    direct = float(np.linalg.norm(source - microphone))
    delay = np.round((distance - direct) / _SOUND_METRES_PER_SECOND * SAMPLE_RATE_HZ).astype(int)
    near = distance < direct + reach
    gain = reflected ** np.arange(count.max() + 1)  # by number of reflections
    response = np.bincount(delay[near], weights=gain[count[near]] / distance[near])
    return np.asarray(response * direct, dtype=np.float32)
