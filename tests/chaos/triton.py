"""Servers that run an exported model: Triton itself where it is installed, and its protocol.

`Kserve` speaks the protocol that Triton publishes (KServe's, by the stubs of the official client
library), reads the same `config.pbtxt`, runs the same TorchScript file and joins requests into
batches. `Real` is NVIDIA's own server, from the wheel nvidia-pytriton (version 2.51 of Triton in
0.7.0), which brings Triton's Python backend alone: some lines of it run the same file.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest
from tritonclient import grpc as triton

from tests.certificates import Issued
from tests.chaos.daemon import ROOT

# by DLPack, since the wheel's backend does not know arrays of numpy 2
_BACKEND = """
import pathlib
import torch
import triton_python_backend_utils as pb

class TritonPythonModel:
    def initialize(self, args):
        folder = pathlib.Path(args["model_repository"], args["model_version"])
        torch.set_num_threads(1)
        self.model = torch.jit.load(folder / "model.pt")

    def execute(self, requests):
        def joined(name):
            given = [pb.get_input_tensor_by_name(one, name) for one in requests]
            return [torch.from_dlpack(one.to_dlpack()).clone() for one in given]

        windows, lengths = joined("windows__0"), joined("lengths__1")
        with torch.inference_mode():
            scores = self.model(torch.cat(windows), torch.cat(lengths))
        parts = scores.clone().split([len(one) for one in windows])
        return [
            pb.InferenceResponse([pb.Tensor.from_dlpack("scores__0", one.contiguous())])
            for one in parts
        ]
"""


# how a program ends whose libraries are not all there
_NO_LIBRARY = 127


class ModelServer:
    """A server of a repository, at one port whenever it runs.

    Args:
        repository: the models, which `load_model` of a client reads again.
        issued: a certificate for "localhost" that signs itself, if it shall speak TLS.
    """

    def __init__(self, repository: Path, port: int, issued: Issued | None = None) -> None:
        self.repository, self._port, self._issued = repository, port, issued
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._port}" if self._issued is None else f"localhost:{self._port}"

    def client(self) -> triton.InferenceServerClient:
        """Connects to it."""
        if self._issued is None:
            return triton.InferenceServerClient(self.place)
        return triton.InferenceServerClient(
            self.place, ssl=True, root_certificates=str(self._issued.cert_path)
        )

    def hold(self, signal_: signal.Signals) -> None:
        """Stops it, so that it does not answer, or lets it go on."""
        assert self.process is not None
        os.killpg(self.process.pid, signal_)

    def start(self) -> None:
        """Starts it and waits until its model is ready."""
        command, environment = self._command()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        client = self.client()
        end = time.monotonic() + 60.0
        while True:
            assert self.process.poll() is None, "the model server has ended"
            with contextlib.suppress(triton.InferenceServerException):
                models = os.listdir(self.repository)
                if all(client.is_model_ready(one, client_timeout=5.0) for one in models):
                    break
            assert time.monotonic() < end, "the model server is not ready"
            time.sleep(0.05)  # before the next question
        client.close()

    def kill(self) -> None:
        """Kills it with all that it has started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError


class Kserve(ModelServer):
    """The protocol, served by `tests.chaos.kserve`."""

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command = [sys.executable, "-m", "tests.chaos.kserve", str(self.repository)]
        tls = () if self._issued is None else (self._issued.cert_path, self._issued.key_path)
        return [*command, str(self._port), *map(str, tls)], {}


class Real(ModelServer):
    """NVIDIA's server; changes the repository to the one backend that the wheel has."""

    def __init__(self, repository: Path, port: int, issued: Issued | None = None) -> None:
        super().__init__(repository, port, issued)
        wheel = Path(os.environ.get("DFD_TRITON", ROOT / "build" / "triton"))
        self._home = wheel / "pytriton" / "tritonserver"
        self._libraries = wheel / "nvidia_pytriton.libs"
        if not self._home.is_dir():
            pytest.skip(f"no Triton in {wheel}: .ci/install")
        (config,) = repository.glob("*/config.pbtxt")
        text = re.sub('backend: "pytorch"', 'backend: "python"', config.read_text())
        config.write_text(text.replace('name: "model.pt"', 'name: "model.py"'))
        (config.parent / "1" / "model.py").write_text(_BACKEND)
        self._backends = repository.parent / "backends"
        if not self._backends.exists():
            shutil.copytree(self._home / "backends", self._backends)
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            stub = self._home / "python_backend_stubs" / version / "triton_python_backend_stub"
            if subprocess.run([stub], capture_output=True, check=False).returncode == _NO_LIBRARY:
                pytest.skip(f"no libpython{version}.so: apt-get install libpython3-dev")
            shutil.copy(stub, self._backends / "python")

    def _command(self) -> tuple[list[str], dict[str, str]]:
        here = "127.0.0.1"
        command = [
            *(str(self._home / "bin" / "tritonserver"), "--model-repository"),
            *(str(self.repository), "--backend-directory", str(self._backends)),
            *("--grpc-address", here, "--grpc-port", str(self._port)),
            *("--allow-http=false", "--allow-metrics=false", "--model-control-mode=explicit"),
            *(f"--load-model={one}" for one in os.listdir(self.repository)),
        ]
        if self._issued is not None:
            command += [
                *("--grpc-use-ssl=true", "--grpc-server-cert", str(self._issued.cert_path)),
                *("--grpc-server-key", str(self._issued.key_path)),
            ]
        packages = Path(triton.__file__).parents[2]
        return command, {
            "LD_LIBRARY_PATH": str(self._libraries),
            "PYTHONPATH": str(packages),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }


SERVERS: tuple[Callable[..., ModelServer], ...] = (Kserve, Real)
