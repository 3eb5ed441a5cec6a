"""The pure core: samples and window scores in, events out.

No gRPC, no torch, no clock, no I/O. `StreamSession` composes the rest:

    samples/, speech/, track: decode -> resample -> voice activity -> ring -> windows   (feed)
    judgement/: window LLR -> evidence -> alert policy -> results, alerts               (resolve)
                evidence, quality -> verdict                                            (summary)
"""
