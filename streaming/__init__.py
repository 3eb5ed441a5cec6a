"""The pure core: samples and window scores in, events out.

No gRPC, no torch, no clock, no I/O. `StreamSession` composes the rest:

    decode -> resample -> voice activity -> ring buffer -> windows     (feed)
    window LLR -> evidence -> alert policy -> results, alerts          (resolve)
    evidence, quality -> verdict                                       (summary)
"""
