"""What a run leaves behind: checkpoints, TensorBoard's events, a loss curve.

::

    FOLDER/NAME.safetensors     state of the stage NAME (teacher 0, student, …), resumable
    FOLDER/NAME.best.json       its best score, when it was reached, and digests of its curve
    FOLDER/NAME.png             loss and score over the steps, where matplotlib is installed
    FOLDER/events.out.*         TensorBoard: loss, score, rate, relit pictures

Files of other makes that have such names stay: a curve is known by its digest beside the score.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import DrtiError, MissingExtraError, OutputExistsError
from drti_core.io import outputs, regular, strict_json
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
        """File of a stage's state; asked for before the stage begins.

        Raises:
            OutputExistsError: a file that is no checkpoint has its name; or one that no log has
                left has a name of the log's.
        """
        if self.folder is None:
            return None
        path = self.folder / f"{stage}.safetensors"
        if not self.resume and path.exists() and not checkpoint.is_one(path):
            raise OutputExistsError(path)
        if self.log:
            self._left(stage)
        return path

    def _left(self, stage: str) -> tuple[bool, str]:
        """Whether an earlier log has left a best score, and the digest of a curve of its; or "".

        Raises:
            OutputExistsError: something else has the name of either.
        """
        best, curve = self._files(stage)
        ours, told = False, []
        with suppress(DrtiError):
            found = strict_json.load(best, links=False)
            found["psnr"].any_number()
            told = [each.text() for each in found["curves"].items()]
            ours = True
        drawn = regular.digest(curve)
        outputs.check_output(best, ours)
        if figures.can_draw():
            outputs.check_output(curve, drawn in told)
        return ours, drawn if drawn in told else ""

    def _files(self, stage: str) -> tuple[Path, Path]:
        """Where the best score and the curve of a stage go."""
        assert self.folder is not None
        return self.folder / f"{stage}.best.json", self.folder / f"{stage}.png"

    def inside(self, name: str) -> Path | None:
        """Folder of a run within this one.

        Raises:
            OptionError: a link has its name.
        """
        return None if self.folder is None else outputs.check_within(self.folder, name)

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
        """Write what is known at the end of a stage.

        Raises:
            OutputExistsError: see :meth:`checkpoint`; it came while the stage went on.
        """
        if not self.log or self.folder is None or not outcome.looks:
            return
        ours, before = self._left(stage)
        best_file, curve = self._files(stage)
        drawn = b""
        if figures.can_draw():
            with curves(outcome.looks, title=stage) as figure:
                drawn = figures.png_of(figure)
        else:
            _log.warning(
                "no loss curve in %s: it needs the 'plot' extra (pip install 'drti[plot]')",
                self.folder,
            )
        # The curve that is there and the one to come: a run may be killed between the two.
        told = [each for each in (before, regular.digest_of(drawn) if drawn else "") if each]
        best = max(outcome.looks, key=lambda look: look.score)
        score = {"step": best.step, "psnr": best.score, "notes": outcome.notes, "curves": told}
        with outputs.atomic_file(best_file, overwrite=ours) as temporary:
            temporary.write_text(json.dumps(score))
        if drawn:
            with outputs.atomic_file(curve, overwrite=bool(before)) as temporary:
                temporary.write_bytes(drawn)

    def close(self) -> None:
        """Flush the log."""
        if self._writer is not None:
            self._writer.close()
