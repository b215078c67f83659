"""What a run leaves behind: checkpoints, TensorBoard's events, a loss curve.

::

    FOLDER/NAME.safetensors     state of the stage NAME (teacher 0, student, …), resumable
    FOLDER/NAME.best.json       its best score, and when it was reached
    FOLDER/NAME.png             loss and score over the steps, where matplotlib is installed
    FOLDER/events.out.*         TensorBoard: loss, score, rate, relit pictures
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import MissingExtraError, OutputExistsError
from drti_core.io import outputs
from drti_core.io.pictures import figures
from drti_core.training import checkpoint
from drti_core.training.curves import curves
from drti_core.training.loop import Look, Outcome

_log = logging.getLogger(__name__)
#: One picture for so many looks.
_PICTURE_EVERY = 5


class Session:
    """Where a training run keeps its state and its log.

    Args:
        folder: made if it is not there; None keeps nothing.
        resume: continue from the checkpoints in it.
        log: also write TensorBoard's events and curves.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None, *, resume: bool = False, log: bool = False) -> None:
        self.folder, self.resume = folder, resume
        self._writer: Any = None
        self.log = log and folder is not None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            for old in filter(checkpoint.is_one, folder.glob("*.safetensors")):
                old.unlink()
        if self.log:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise MissingExtraError("a TensorBoard log", "train") from None
            self._writer = SummaryWriter(str(folder))  # type: ignore[no-untyped-call,unused-ignore]

    def checkpoint(self, stage: str) -> Path | None:
        """File of a stage's state.

        Raises:
            OutputExistsError: a file that is no checkpoint has its name.
        """
        if self.folder is None:
            return None
        path = self.folder / f"{stage}.safetensors"
        if not self.resume and path.exists() and not checkpoint.is_one(path):
            raise OutputExistsError(path)
        return path

    def inside(self, name: str) -> Path | None:
        """Folder of a run within this one."""
        return None if self.folder is None else self.folder / name

    def watcher(
        self, stage: str, picture: Callable[[], npt.NDArray[np.uint8]]
    ) -> Callable[[Look], None]:
        """What is to be called at every look of a stage.

        Args:
            stage: its name.
            picture: makes (H, W, 3) uint8, the model as it is now.
        """
        count = 0

        def see(look: Look) -> None:
            nonlocal count
            count += 1
            if self._writer is None:
                return
            for name, value in (("loss", look.loss), ("psnr", look.score), ("rate", look.rate)):
                self._writer.add_scalar(f"{stage}/{name}", value, look.step)
            if count % _PICTURE_EVERY == 0 or look.share == 1:
                self._writer.add_image(f"{stage}/relit", picture(), look.step, dataformats="HWC")

        return see

    def finish(self, stage: str, outcome: Outcome) -> None:
        """Write what is known at the end of a stage."""
        if not self.log or self.folder is None or not outcome.looks:
            return
        best = max(outcome.looks, key=lambda look: look.score)
        with outputs.atomic_file(self.folder / f"{stage}.best.json", overwrite=True) as temporary:
            temporary.write_text(
                json.dumps({"step": best.step, "psnr": best.score, "notes": outcome.notes})
            )
        if figures.can_draw():
            with curves(outcome.looks, title=stage) as figure:
                figures.save_figure(self.folder / f"{stage}.png", figure, overwrite=True)
        else:
            _log.warning(
                "no loss curve in %s: it needs the 'plot' extra (pip install 'drti[plot]')",
                self.folder,
            )

    def close(self) -> None:
        """Flush the log."""
        if self._writer is not None:
            self._writer.close()
