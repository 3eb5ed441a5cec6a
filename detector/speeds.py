"""How many windows per second models scored on this machine, kept for `dfd models list`."""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from dfd.detector.hardware import cpu_identity
from dfd.detector.start_cache import recall, remember

_TOPIC = "windows per second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One measurement.

    Attributes:
        windows_per_second: full windows that have nothing in common.
        batch: number of windows in each pass.
        engine, precision: what ran the model.
        day: when, as YYYY-MM-DD in UTC.
    """

    windows_per_second: float
    batch: int
    engine: str
    precision: str
    day: str


def remember_speed(
    weights_sha256: str,
    windows_per_second: float,
    *,
    batch: int,
    engine: str,
    precision: str,
    device: str = "cpu",
) -> None:
    """Keeps the latest measurement of a model on a device."""
    speed = Speed(
        windows_per_second=round(windows_per_second, 2),
        batch=batch,
        engine=engine,
        precision=precision,
        day=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    remember(_TOPIC, _conditions(weights_sha256, device), asdict(speed))


def known_speed(weights_sha256: str, device: str = "cpu") -> Speed | None:
    """Returns the latest measurement of a model on a device of this machine; None if there is none.

    Args:
        weights_sha256: digest of its weights.
        device: "cpu", "cuda:0" and so on.
    """
    found = recall(_TOPIC, _conditions(weights_sha256, device))
    if not isinstance(found, dict):
        return None
    kinds = {one.name: one.type for one in fields(Speed)}
    if any(type(found.get(name)) is not kind for name, kind in kinds.items()):
        return None
    return Speed(**{name: found[name] for name in kinds})


def _conditions(weights_sha256: str, device: str) -> dict[str, str]:
    where = cpu_identity() if device == "cpu" else device
    return {"weights": weights_sha256, "device": device, "hardware": where}
