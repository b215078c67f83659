"""Any model as ONNX: one graph, two stages, or a whole image (:mod:`drti_core.runtime.onnx.forms`).

========= ==================================================================
decoder   ``OUT.onnx``: the decoder; the caller brings the codes
stages    a folder with ``light.onnx`` and ``pixel.onnx``
image     ``OUT.onnx``: the codes too; beyond ``external_over`` in ``OUT.onnx.data``; the mask of
          a model that has one is a second output, ``alpha``
========= ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from drti_core.arrays import Bool
from drti_core.codec import Exporter, ExportReport
from drti_core.decoder import Decoder, Planes
from drti_core.errors import OptionError, UnsupportedDecoderError
from drti_core.io import outputs
from drti_core.model import RelightableModel
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx import forms
from drti_core.runtime.onnx.image_form import add_alpha
from drti_exporters.onnx import graphs, measure

#: The two files of the form ``stages``.
STAGES = ("light.onnx", "pixel.onnx")
#: Pixels of a mask that a graph holds at most: a protobuf ends at 2 GB.
_MOST_ALPHA = 1 << 30
_NO_MASK = "the mask is left out: only the form image holds one, of up to 1073741824 pixels"
FOLDER = outputs.FolderKind("light.onnx and pixel.onnx only", STAGES)


@dataclass(frozen=True)
class OnnxExporter(Exporter):
    """Every dense chain in three forms.

    Args:
        form: ``decoder``, ``stages`` or ``image``.
        output: ``uint8`` (rounded, clipped) or ``float32`` (nominally 0..1).
        external_over: with ``image``: codes of more bytes lie beside the graph. A protobuf ends
            at 2 GB.
    """

    exporter_id = "onnx"
    summary = "ONNX: for ONNX Runtime and whatever else reads it (decoder, stages or image)"

    form: Literal["decoder", "stages", "image"] = "decoder"
    output: Literal["uint8", "float32"] = "uint8"
    external_over: int = 1_900_000_000

    @property
    def suffix(self) -> str:
        """See :meth:`Exporter.suffix`."""
        return "" if self.form == "stages" else ".onnx"

    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the model; see :meth:`Exporter.export`.

        ``max_abs_error`` is measured on what was written, at 20 lights, against ``decode``; of
        ``uint8`` it holds the rounding.

        Raises:
            OptionError: ``out`` has not the ending of this form.
            UnsupportedDecoderError: a part of the decoder has no graph, or it is a graph of another
                form.
            OutputExistsError: ``out`` exists and ``overwrite`` is false.
        """
        out = Path(out)
        self._check(out)
        outputs.check_output(out, overwrite, FOLDER if self.form == "stages" else None)
        match model.decoder(), self.form:
            case GraphDecoder() as graph, form:
                if form != ("decoder" if graph.shape is None else "image"):
                    raise UnsupportedDecoderError(
                        "the decoder is an ONNX graph",
                        where=graph.where,
                        expected="a chain of dense layers",
                        mend="ONNX Runtime relights it; other forms need the codec that made it.",
                    )
                report = _pass_through(model, graph, out, overwrite)
            case Decoder() as chain, "stages":
                report = self._export_stages(model, chain, out, overwrite)
            case Decoder() as chain, "image":
                report = self._export_image(model, chain, out, overwrite)
            case chain, _:
                report = self._export_decoder(model, chain, out, overwrite)
        lost = model.metadata.mask is not None and _alpha(model, self.form) is None
        return replace(report, notes=(*report.notes, *((_NO_MASK,) if lost else ())))

    def _check(self, out: Path) -> None:
        if self.form not in ("decoder", "stages", "image") or self.external_over < 0:
            raise OptionError(
                f"form {self.form!r}, external_over {self.external_over}",
                where="onnx",
                expected="form decoder, stages or image, external_over 0 or more",
            )
        if self.output not in ("uint8", "float32"):
            raise OptionError(f"output {self.output!r}", where="onnx", expected="uint8 or float32")
        if (out.suffix.lower() == ".onnx") == (self.form == "stages"):
            raise OptionError(
                f"the ending {out.suffix!r} for the form {self.form}",
                where=str(out),
                expected="a folder's name" if self.form == "stages" else ".onnx",
            )

    def writes(self, out: Path) -> Sequence[Path]:
        """Also the codes, where they may lie beside the graph."""
        return (out, _beside(out)) if self.form == "image" else (out,)

    def _export_decoder(
        self, model: RelightableModel, chain: Decoder, out: Path, over: bool
    ) -> ExportReport:
        made = forms.decoder_graph(
            chain, model.planes, output=self.output, metadata=_metadata(model)
        )
        with outputs.atomic_file(out, overwrite=over) as temporary:
            _write(made, temporary)
            error = measure.of_decoder(temporary, model)
        return ExportReport((out,), error)

    def _export_stages(
        self, model: RelightableModel, chain: Decoder, out: Path, over: bool
    ) -> ExportReport:
        made = graphs.stage_graphs(
            chain, model.planes, output=self.output, metadata=_metadata(model)
        )
        with outputs.atomic_folder(out, overwrite=over, kind=FOLDER) as folder:
            for name, graph in zip(STAGES, (made.light, made.pixel), strict=True):
                _write(graph, folder / name)
            error = measure.of_stages(folder / STAGES[0], folder / STAGES[1], model)
        return ExportReport(tuple(out / name for name in STAGES), error)

    def _export_image(
        self, model: RelightableModel, chain: Decoder, out: Path, over: bool
    ) -> ExportReport:
        planes = model.planes
        size = 0 if planes is None else planes.codes.nbytes
        beside = _beside(out) if size > self.external_over else None
        if beside is not None:
            outputs.check_output(beside, over)
        made = graphs.image_graph(
            chain,
            planes,
            model.shape,
            output=self.output,
            metadata=_metadata(model),
            external=None if beside is None else beside.name,
        )
        if (inside := _alpha(model, "image")) is not None:
            add_alpha(made, inside)
        notes: tuple[str, ...] = ()
        with _with_codes(out, beside, planes, over) as temporary:
            _write(made, temporary)
            if model.shape[0] * model.shape[1] <= measure.MOST_PIXELS:
                error = measure.of_image(temporary, model)
            else:
                part = measure.crop(model)
                made = graphs.image_graph(chain, part.planes, part.shape, output=self.output)
                error = measure.of_image(forms.to_bytes(made), part)
                height, width = part.shape
                notes = (f"max_abs_error is that of the graph of a {width}x{height} part",)
        return ExportReport((out,) if beside is None else (out, beside), error, notes)


def _alpha(model: RelightableModel, form: str) -> Bool | None:
    """The mask that a graph of this form tells."""
    mask = model.metadata.mask
    return mask if form == "image" and mask is not None and mask.size <= _MOST_ALPHA else None


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.data")


def _pass_through(
    model: RelightableModel, graph: GraphDecoder, out: Path, overwrite: bool
) -> ExportReport:
    """Write the very graph of a model that has one."""
    made = type(graph.graph)()
    made.CopyFrom(graph.graph)
    if (inside := _alpha(model, "decoder" if graph.shape is None else "image")) is not None:
        add_alpha(made, inside)
    with outputs.atomic_file(out, overwrite=overwrite) as temporary:
        _write(made, temporary)
        # An image that is in the graph has no reference but the graph.
        error = None if graph.shape else measure.of_decoder(temporary, model)
    return ExportReport((out,), error, ("the model's own graph, with the output that it has",))


@contextmanager
def _with_codes(
    out: Path, beside: Path | None, planes: Planes | None, overwrite: bool
) -> Iterator[Path]:
    """Yield where the graph is written; the codes lie beside it where they have a file.

    An old graph goes before the codes are replaced: it never finds others than its own. After an
    error both are as they were.
    """
    if beside is None or planes is None:
        with outputs.atomic_file(out, overwrite=overwrite) as temporary:
            yield temporary
        return
    with outputs.merged_folder(out.parent, key=out.name, output=out) as folder:
        with (folder / beside.name).open("wb") as stream:
            for rows in graphs.code_rows(planes):
                stream.write(rows.data)
        yield folder / out.name


def _write(graph: Any, path: Path) -> None:
    """Write a graph and check the file, shapes included."""
    from onnx import checker

    path.write_bytes(forms.to_bytes(graph))
    checker.check_model(str(path), full_check=True)


def _metadata(model: RelightableModel) -> dict[str, str]:
    return forms.describe(model.codec_id, model.metadata.encoding, model.shape)


EXPORTER = OnnxExporter()
