"""A model read into memory, whatever format it was saved in."""

from dataclasses import dataclass

from dfd.detector.files.card import ModelCard
from dfd.detector.networks.network import Network
from dfd.detector.spec import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A model read into memory, on the CPU, in float32.

    Attributes:
        network: the network, ready to be compiled.
        card: its properties.
        weights_sha256: digest of the file with the weights.
        least_samples: shorter windows do not give a single frame.
        layout: the layout in which it was saved; see `ModelSpec`.
        spoof_label: the output that means spoof, in words.
    """

    network: Network
    card: ModelCard
    weights_sha256: str
    least_samples: int
    layout: str
    spoof_label: str

    def spec(
        self, *, device: str, precision: str, engine: str, batch_buckets: tuple[int, ...]
    ) -> ModelSpec:
        """Returns the facts of the model, where and how it runs."""
        card = self.card
        return ModelSpec(
            name=card.name,
            version=card.version,
            weights_sha256=self.weights_sha256,
            sample_rate_hz=card.sample_rate_hz,
            window_samples=card.window_samples,
            hop_samples=card.hop_samples,
            device=device,
            precision=precision,
            engine=engine,
            batch_buckets=batch_buckets,
            padding=card.padding,
            calibration=card.calibration,
            evidence_correlation=card.evidence_correlation,
            rolling_threshold=card.rolling_threshold,
            cumulative_threshold=card.cumulative_threshold,
            min_speech_seconds=card.min_speech_seconds,
            trained_bandwidth_hz=card.trained_bandwidth_hz,
            layout=self.layout,
            normalize=card.normalize,
            spoof_label=self.spoof_label,
            utterance_score=card.utterance_score,
            error_rates=card.error_rates,
            card_text=card.text,
            fusion=card.fusion,
        )
