"""A model repository of NVIDIA Triton: a folder for each model, with its configuration."""

import json

from dfd.detector.export.facts import LENGTHS, PARAMETER, SCORES, WINDOWS, Facts
from dfd.detector.export.networks import ONNX, TORCHSCRIPT

CONFIG = "config.pbtxt"
# form -> Triton's backend for it, and the name that its file must have
BACKENDS = {TORCHSCRIPT: ("pytorch", "model.pt"), ONNX: ("onnxruntime", "model.onnx")}


def name_of(facts: Facts) -> str:
    """Returns the name of the model's folder, which is part of the address of the engine."""
    allowed = "-_."
    name = facts.spec.name
    return "".join(one if one.isalnum() or one in allowed else "-" for one in name) or "dfd"


def config(facts: Facts, form: str, queue_delay_seconds: float) -> str:
    """Returns the configuration, in protobuf's text format.

    Args:
        facts: of the model; a daemon reads them from here.
        form: of the file, a key of `BACKENDS`.
        queue_delay_seconds: how long Triton lets a request wait for others to share its pass.
    """
    backend, file = BACKENDS[form]
    return f"""\
# Written by dfd export. Triton joins the requests of all daemons into batches.
name: {json.dumps(name_of(facts))}
backend: {json.dumps(backend)}
default_model_filename: {json.dumps(file)}
max_batch_size: {facts.spec.batch_buckets[-1]}
input [
  {{ name: "{WINDOWS}" data_type: TYPE_FP32 dims: [ {facts.spec.window_samples} ] }},
  {{ name: "{LENGTHS}" data_type: TYPE_INT64 dims: [ 1 ] }}
]
output [
  {{ name: "{SCORES}" data_type: TYPE_FP32 dims: [ 1 ] }}
]
dynamic_batching {{
  max_queue_delay_microseconds: {round(queue_delay_seconds * 1e6)}
}}
# what dfd serve --engine triton:// must know of the model
parameters {{
  key: "{PARAMETER}"
  value: {{ string_value: {json.dumps(_ascii(facts))} }}
}}
"""


def _ascii(facts: Facts) -> str:
    # JSON's own escapes, which protobuf's text format passes on as they are
    return json.dumps(json.loads(facts.to_json()))
