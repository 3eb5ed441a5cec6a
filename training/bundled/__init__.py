"""The recipe of the bundled detector.

The modules, in the order in which a training uses them:

- `cache`: the audio of a manifest, decoded once into one memory map
- `copysynth`: spoofs made from human speech; `banks`: these, codecs and spoken sentences,
  rendered before training; `batches`: draws training batches from them
- `network`: a fixed spectrogram and the light CNN behind it, as trained; `unroll`: both in the
  transformers format
- `encoder`: the first stages of Whisper's encoder, from a file; `stem`: what they measure, and the
  classifier fitted on it; `beside`: both as part of the recipe
- `recipe`: the options; `loop`: the training itself; `pipeline`: all of it
- `export`: the folder that `dfd.detector` loads
"""
