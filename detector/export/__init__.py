"""Models as files that other servers run.

    facts       what a daemon must know about an exported model, as JSON; without torch
    networks    a checkpoint as a TorchScript or ONNX file
    repository  such a file as a model repository of NVIDIA Triton

Exported networks take windows (B, N) and lengths (B, 1), and give spoof log-odds (B, 1).
"""
