"""C2PA manifests: what a file says, signed, of who made it and how.

Read by c2pa-python if that is installed, from the formats that it knows (WAV, MP3, FLAC, MP4 and
M4A among them). Nothing is fetched: a manifest stored elsewhere is not read. Whether a signer can
be trusted is not known here, only whether the signature is good and the file is what was signed.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# ends of IPTC's names for how something was made
_SYNTHETIC = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
)
_UNTRUSTED = "signingCredential.untrusted"
_LONGEST = 200
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the manifest of a file says.

    Attributes:
        generator: the program that made the manifest, and its version.
        signer: whose certificate signed it.
        signed_at: by a time stamp, as it stands there; empty without one.
        sources: how the file was made, by IPTC's names, such as "trainedAlgorithmicMedia".
        synthetic: whether one of these says that a machine made it, or part of it.
        problems: why it does not hold, by C2PA's codes, such as "assertion.dataHash.mismatch";
            empty if the signature is good and the file is what was signed.
    """

    generator: str
    signer: str
    signed_at: str
    sources: tuple[str, ...]
    synthetic: bool
    problems: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """Returns the fields for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        by = f"C2PA manifest by {self.generator or 'an unnamed program'}"
        signer = self.signer or "nobody"
        if self.problems:
            return f"{by}, which does not hold: {', '.join(self.problems)}"
        made = "says that a machine made it" if self.synthetic else "says nothing of a machine"
        return f"{by}, signed by {signer} (not checked who that is): {made}"


def read_manifest(path: Path) -> Manifest | None:
    """Returns the manifest of a file; None if there is none, or it cannot be read.

    Args:
        path: a file that can be read more than once, no pipe.
    """
    if importlib.util.find_spec("c2pa") is None:
        return None
    import c2pa

    try:
        with path.open("rb") as file:
            reader = c2pa.Reader.try_create(None, file, context=_offline())
            if reader is None:
                return None
            with reader:
                store = json.loads(reader.json())
    except (c2pa.C2paError, OSError, ValueError):
        return None  # of a format without manifests, or damaged: what decodes it will say so
    return _manifest(store)


@functools.cache
def _offline() -> Any:
    import c2pa

    return c2pa.Context(c2pa.Settings.from_dict(_OFFLINE))


def _manifest(store: Mapping[str, Any]) -> Manifest | None:
    manifests = store.get("manifests") or {}
    active = manifests.get(store.get("active_manifest"))
    if active is None:
        return None
    info = (active.get("claim_generator_info") or [{}])[0]
    name = info.get("name") or active.get("claim_generator") or ""
    signature = active.get("signature_info") or {}
    names = (signature.get("common_name"), signature.get("issuer"))
    sources = dict.fromkeys(source for one in manifests.values() for source in _sources(one))
    codes = [one.get("code", "") for one in store.get("validation_status") or ()]
    return Manifest(
        generator=_clean(f"{name} {info.get('version') or ''}"),
        signer=_clean(", ".join(str(one) for one in names if one)),
        signed_at=_clean(signature.get("time") or ""),
        sources=tuple(sources),
        synthetic=any(source in _SYNTHETIC for source in sources),
        problems=tuple(_clean(code) for code in dict.fromkeys(codes) if code != _UNTRUSTED),
    )


def _sources(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Returns how it was made, from its actions."""
    for assertion in manifest.get("assertions") or ():
        data = assertion.get("data")
        actions = data.get("actions") if isinstance(data, dict) else None
        for action in actions or ():
            source = action.get("digitalSourceType")
            if isinstance(source, str) and source:
                yield _clean(source.rstrip("/").rpartition("/")[2])


def _clean(text: object) -> str:
    """Makes text from a file safe to print."""
    words = " ".join(str(text).split())
    return "".join(one if one.isprintable() else "?" for one in words)[:_LONGEST]
