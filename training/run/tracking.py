"""Curves of a training: TensorBoard files, and Weights & Biases on request."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from dfd.errors import UserError


class Tracker:
    """Writes named values over the number of clips heard; nothing if neither is wanted."""

    def __init__(self, writer: Any = None, run: Any = None) -> None:
        self._writer = writer
        self._run = run

    def add(self, values: Mapping[str, float], clips: int) -> None:
        """Adds a point to each curve."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, clips)
        if self._run is not None:
            self._run.log({**values, "clips": clips})

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._run is not None:
            self._run.finish(exit_code=0 if kind is None else 1)


def open_tracker(
    out: Path,
    *,
    tensorboard: bool = True,
    wandb_project: str | None = None,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> Tracker:
    """Opens a tracker that writes below `out`; with `resume`, an earlier run there is continued.

    Raises:
        UserError: if a package is missing, or Weights & Biases cannot start.
    """
    writer = run = None
    if wandb_project is not None:
        run = _wandb_run(out, wandb_project, name, options or {}, resume=resume)
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "TensorBoard is not installed: pip install 'dfd[train]', or use --no-tensorboard"
            ) from None
        make: Any = SummaryWriter
        writer = make(str(out / "tensorboard"))
    return Tracker(writer, run)


def _wandb_run(
    out: Path, project: str, name: str, options: Mapping[str, Any], *, resume: bool
) -> Any:
    try:
        import wandb
    except ImportError:
        raise UserError("Weights & Biases is not installed: pip install 'dfd[wandb]'") from None
    out.mkdir(parents=True, exist_ok=True)
    package: Any = wandb
    kept = out / "wandb-run-id"
    if not (resume and kept.exists()):
        kept.write_text(uuid.uuid4().hex[:12])
    try:
        return package.init(
            project=project,
            name=name or None,
            dir=str(out),
            config=dict(options),
            id=kept.read_text(),
            resume="allow",
        )
    except Exception as error:  # its own exceptions, and those of its network libraries
        said = " ".join(str(error).split())
        raise UserError(
            f"Weights & Biases did not start ({said[:160]}): log in with wandb login, or set "
            "WANDB_MODE=offline"
        ) from None
