"""Makes transformers find the network of this folder; dfd has to be installed."""

from dfd.detector.with_transformers import Wav2Vec2LightCnn as Wav2Vec2LightCnn
