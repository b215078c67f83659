"""The only place of torch: gradients from a stack to a network, and networks made elsewhere."""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

import numpy as np

from drti_core.decoder import Activation, Decoder, Dense, Planes, Terms
from drti_core.decoder.fold import Quantisation
from drti_core.errors import MissingExtraError, OptionError, UnsupportedDecoderError
from drti_core.lights.bases import Basis
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx.builder import OPSET

#: Which components of the unit vector to the light a network takes.
LightInput = Literal["xy", "xyz"]
#: Pixels of the example that a network is traced with.
_EXAMPLE = 5


def decoder_from_torch(
    module: Any,
    planes: Planes | Quantisation,
    *,
    light: LightInput = "xy",
    separate: bool = False,
) -> Decoder | GraphDecoder:
    """A stranger's decoder, ``nn.Module``, as one of ours.

    A ``Sequential`` of ``Linear`` and ``ELU`` (alpha 1), ``ReLU``, ``Tanh``, ``Sigmoid`` or
    ``Identity``, ``Dropout`` becomes a chain of dense layers, whose light is folded into the first
    bias. Anything else is traced and becomes an ONNX graph.

    Args:
        module: takes [pixels, K + 2 or 3]: the K dequantised planes, then the light; gives
            [pixels, 3], nominally 0..1. It is evaluated as in ``eval()`` and left as it was.
        planes: the planes, or how they are quantised.
        light: components of the light that it takes.
        separate: it takes two arguments instead, [pixels, K] and [pixels, 2 or 3].

    Raises:
        MissingExtraError: torch is not installed.
        OptionError: the module takes or gives other shapes.
        UnsupportedDecoderError: it has no graph of standard operators.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("decoder_from_torch", "train") from None
    quantisation = Quantisation.of(planes) if isinstance(planes, Planes) else planes
    example = [torch.zeros(_EXAMPLE, quantisation.count), torch.zeros(_EXAMPLE, len(light))]
    given = example if separate else [torch.cat(example, dim=1)]
    training = module.training
    module.eval()
    try:
        _check(module, given)
        chain = None if separate else _chain(module, quantisation.count, light)
        return chain if chain is not None else _traced(module, quantisation, light, separate)
    finally:
        module.train(training)


def _check(module: Any, given: list[Any]) -> None:
    """Run the module on an example."""
    import torch

    shapes = " and ".join(str(list(part.shape)) for part in given)
    try:
        with torch.no_grad():
            found = module(*given)
        shape = list(found.shape)
    except (RuntimeError, TypeError, AttributeError, IndexError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OptionError(
            f"the module fails on {shapes} ({first})", expected="planes, then the light"
        ) from error
    if shape != [_EXAMPLE, 3]:
        raise OptionError(
            f"the module gives {shape} for {shapes}", expected=f"{[_EXAMPLE, 3]}: RGB"
        )


def _chain(module: Any, count: int, light: LightInput) -> Decoder | None:
    """A dense chain, or None where the module is none."""
    from torch import nn

    if type(module) not in (nn.Sequential, nn.Linear):
        return None
    layers: list[tuple[Any, Activation]] = []
    for part in module if isinstance(module, nn.Sequential) else [module]:
        kind = _ACTIVATIONS.get(type(part).__name__)
        if type(part) is nn.Linear:
            layers.append((part, "none"))
        elif type(part) in (nn.Identity, nn.Dropout):
            continue
        elif (
            kind is not None
            and type(part).__module__ == "torch.nn.modules.activation"
            and getattr(part, "alpha", 1.0) == 1.0
            and layers
            and layers[-1][1] == "none"
        ):
            layers[-1] = (layers[-1][0], kind)
        else:
            return None
    dense = []
    for number, (linear, activation) in enumerate(layers):
        weight = linear.weight.detach().cpu().float().numpy().copy()
        bias: Any = np.zeros(len(weight), np.float32)
        if linear.bias is not None:
            bias = linear.bias.detach().cpu().float().numpy().copy()
        if number == 0:
            table = np.zeros((len(weight), 4), np.float32)
            table[:, 0] = bias
            table[:, 1 : 1 + len(light)] = weight[:, count:]
            weight, bias = weight[:, :count].copy(), Terms(Basis("affine", 4), table)
        dense.append(Dense(weight, bias, activation))
    return Decoder(("planes",), tuple(dense))


_ACTIVATIONS: dict[str, Activation] = {
    "ELU": "elu",
    "ReLU": "relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
}


def _traced(
    module: Any, quantisation: Quantisation, light: LightInput, separate: bool
) -> GraphDecoder:
    """The module between dequantisation and RGB, traced to an ONNX graph."""
    import onnx
    import torch

    factor = torch.from_numpy(quantisation.factor.astype(np.float32))
    offset = torch.from_numpy(quantisation.offset.astype(np.float32))

    class Pixels(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # Any without torch
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, planes: Any, light_: Any) -> Any:
            unit = light_ / torch.sqrt((light_ * light_).sum())
            features = planes * factor + offset
            # One row, repeated for each pixel: of a shape that is known from the planes'.
            rows = unit[: len(light)] + torch.zeros_like(features[:, :1])
            if separate:
                return self.module(features, rows)
            return self.module(torch.cat([features, rows], dim=1))

    codes = torch.zeros((_EXAMPLE, quantisation.count))
    out: Any = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is told that a newer exporter exists
            torch.onnx.export(
                Pixels().eval(),
                (codes, torch.tensor([0.0, 0.0, 1.0])),
                out,
                input_names=["codes", "light"],
                output_names=["rgb"],
                dynamic_axes={"codes": {0: "pixels"}, "rgb": {0: "pixels"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError, torch.onnx.errors.OnnxExporterError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedDecoderError(
            f"torch cannot export the module ({first})", expected="standard operators"
        ) from error
    model = onnx.ModelProto.FromString(out.getvalue())
    # Past a reshape the exporter has lost the sides of the output, which were checked.
    sides = model.graph.output[0].type.tensor_type.shape.dim
    sides[1].Clear()
    sides[1].dim_value = 3
    # The exporter knows no uint16: the codes are cast before what it traced.
    kind = onnx.TensorProto.UINT8 if quantisation.code_max == 255 else onnx.TensorProto.UINT16
    (planes,) = (value for value in model.graph.input if value.name == "codes")
    planes.name = "planes"
    planes.type.tensor_type.elem_type = kind
    model.graph.node.insert(
        0, onnx.helper.make_node("Cast", ["planes"], ["codes"], to=onnx.TensorProto.FLOAT)
    )
    return GraphDecoder(model, "the traced module")
