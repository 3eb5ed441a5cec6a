"""What a training hears.

- `splits`: recordings to learn from and to be chosen by; `scan`: a first look at their files
- `clips`: decoded audio; `augment`, `codecs`: what befalls it; `espeak`: spoofs made here
"""
