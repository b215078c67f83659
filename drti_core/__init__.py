"""drti: relightable images (RTI: PTM, HSH, RBF) in Python.

>>> import numpy as np
>>> import drti_core as drti
>>> lights = drti.LightDirections.from_disk([[0, 0], [0.8, 0]])
>>> stack = drti.ArrayStack.of(np.array([[[200]], [[90]]], np.uint8), lights)
>>> model, report = drti.fit(stack, "hsh:terms=4")
>>> model.relight_uint8(lights)[:, 0, 0].tolist()
[[200, 200, 200], [90, 90, 90]]
"""

from __future__ import annotations

from importlib.metadata import version as _version

from drti_core.arrays import Window
from drti_core.decoder import (
    Decoder,
    Dense,
    Grid,
    LightFunction,
    Network,
    Planes,
    Rbf,
    Sampled,
    Terms,
)
from drti_core.errors import (
    DrtiError,
    FitError,
    FormatError,
    LightError,
    MissingExtraError,
    OptionError,
    OutputExistsError,
    PluginError,
    StackError,
    UnsupportedDecoderError,
    UnsupportedFormatError,
    VetoError,
)
from drti_core.lights import LightDirections, NamedLights
from drti_core.measure.evaluation import evaluate
from drti_core.model import Metadata, RelightableModel, StoredModel
from drti_core.model.contracts import (
    Codec,
    Exporter,
    ExportReport,
    LightsReader,
    ModelReader,
    Reader,
    StackReader,
    Writer,
)
from drti_core.options import parse_spec, with_options

# Not under its own name, which is that of the module drti_core.model.contracts.
from drti_core.registry.catalogue import codec as get_codec
from drti_core.registry.catalogue import (
    open_any,
    open_lights,
    open_model,
    open_stack,
    register_plugin,
    restore,
    save_model,
)
from drti_core.registry.codec_calls import fit
from drti_core.registry.hookspecs import FitReport, hookimpl
from drti_core.registry.shelf import PluginWarning
from drti_core.relight.save import save_relit
from drti_core.stack import ArrayStack, ImageStack, Stack
from drti_core.stack.samples.demo import make_stack as demo_stack
from drti_core.workflow import convert_file, export_file, fit_file

__version__ = _version("drti")

__all__ = [
    # open, fit, relight, save
    "open_any",
    "open_model",
    "open_stack",
    "open_lights",
    "get_codec",
    "save_model",
    "save_relit",
    "evaluate",
    "fit",
    "fit_file",
    "convert_file",
    "export_file",
    "demo_stack",
    # data
    "LightDirections",
    "NamedLights",
    "Stack",
    "ArrayStack",
    "ImageStack",
    "Planes",
    "Window",
    "RelightableModel",
    "StoredModel",
    "Metadata",
    # decoders
    "Decoder",
    "Dense",
    "LightFunction",
    "Terms",
    "Rbf",
    "Grid",
    "Network",
    "Sampled",
    # for plugins
    "Codec",
    "Reader",
    "ModelReader",
    "StackReader",
    "LightsReader",
    "Writer",
    "Exporter",
    "ExportReport",
    "FitReport",
    "hookimpl",
    "register_plugin",
    "parse_spec",
    "with_options",
    "restore",
    "PluginWarning",
    # errors
    "DrtiError",
    "FitError",
    "FormatError",
    "LightError",
    "MissingExtraError",
    "OptionError",
    "OutputExistsError",
    "PluginError",
    "StackError",
    "UnsupportedDecoderError",
    "UnsupportedFormatError",
    "VetoError",
    "__version__",
]
