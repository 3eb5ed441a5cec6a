"""The audio that a training uses.

- `splits`: recordings to train on and to select by; `scan`: checks their files
- `clips`: decoded audio; `augment`, `codecs`: how it is altered; `surroundings`: measured noises
  and rooms; `espeak`: synthetic speech made here
"""
