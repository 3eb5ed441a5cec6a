"""The recipe of the bundled detector.

The modules, in the order in which a training runs through them:

- ``cache``: the audio of a manifest, decoded once into one memory map
- ``copysynth``: spoofs made from human speech; ``banks``: these, codecs and spoken sentences,
  rendered before training; ``batches``: what is drawn from them
- ``extractor``: the network's convolutions as they are trained; ``unroll``: as a Wav2Vec2 has them;
  ``network``: the whole
- ``recipe``: the options; ``loop``: the training itself; ``pipeline``: all of it
- ``export``: the folder that ``dfd.detector`` loads
"""
