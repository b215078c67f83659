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

import logging as _logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import version as _version

    from drti_core.arrays import Window
    from drti_core.capture import Ball, FoundLight, FoundLights, find_lights, open_capture
    from drti_core.capture.align import Alignment, align
    from drti_core.capture.check import Checked, check
    from drti_core.capture.darkroom import Darkroom
    from drti_core.capture.finding import Finding
    from drti_core.capture.levels import level
    from drti_core.capture.refined_lights import RefinedLights, refine_lights
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
        DeniedFileError,
        DeniedOutputError,
        DrtiError,
        FileError,
        FitError,
        FormatError,
        LightError,
        MissingExtraError,
        MissingFileError,
        OptionError,
        OutputError,
        OutputExistsError,
        PluginError,
        PluginWarning,
        ResourceError,
        StackError,
        UnsupportedDecoderError,
        UnsupportedFormatError,
        VetoError,
    )
    from drti_core.lights import LightDirections, NamedLights
    from drti_core.measure.compare import compare
    from drti_core.measure.evaluation import evaluate, evaluate_model
    from drti_core.measure.many import evaluate_many
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

    # Not under its own name, which is that of the module drti_core.codec.
    from drti_core.registry.catalogue import codec as get_codec
    from drti_core.registry.catalogue import register_plugin
    from drti_core.registry.codec_calls import fit
    from drti_core.registry.doors import (
        open_any,
        open_lights,
        open_model,
        open_stack,
        restore,
        save_model,
    )
    from drti_core.registry.hookspecs import FitReport, hookimpl
    from drti_core.relight.enhance import (
        DiffuseGain,
        Enhancement,
        LuminanceUnsharp,
        NormalUnsharp,
        Specular,
        enhanced,
        parse_enhancement,
    )
    from drti_core.relight.environment import EnvironmentLight
    from drti_core.relight.environment_map import Environment, open_environment
    from drti_core.relight.files import Surroundings, relight_file
    from drti_core.relight.light_paths import (
        light_circle,
        light_spiral,
        lights_along,
        save_light_path,
    )
    from drti_core.relight.many import normals_many, relight_many
    from drti_core.relight.normal_maps import compare_normals, read_normals, save_normals
    from drti_core.relight.normals import normals
    from drti_core.relight.save import save_relit, save_rendered
    from drti_core.runtime.graph_decoder import GraphDecoder
    from drti_core.stack import ArrayStack, ImageStack, Stack
    from drti_core.stack.colours import in_space
    from drti_core.stack.developing import develop, undistort
    from drti_core.stack.samples.demo import make_stack as demo_stack
    from drti_core.workflow.align import align_file
    from drti_core.workflow.calls import call_many
    from drti_core.workflow.check import check_file
    from drti_core.workflow.convert import convert_file
    from drti_core.workflow.describe import Description, describe, describe_file
    from drti_core.workflow.export import export, export_file
    from drti_core.workflow.fit import fit_file
    from drti_core.workflow.lights import find_lights_file
    from drti_core.workflow.many import check_many, convert_many, export_many, fit_many
    from drti_core.workflow.refined_lights import refine_lights_file
    from drti_core.workflow.view import viewing

    __version__ = _version("drti")
else:
    #: Names that are imported when they are asked for, by module. All of them: a command line can
    #: so take Ctrl-C into its hands before the third of a second that numpy and the rest cost.
    _LATER = {
        "arrays": "Window",
        "capture": "Ball FoundLight FoundLights find_lights open_capture",
        "capture.align": "align Alignment",
        "capture.refined_lights": "RefinedLights refine_lights",
        "capture.check": "check Checked",
        "capture.darkroom": "Darkroom",
        "capture.exposures": "even_exposures",
        "capture.levels": "level",
        "capture.finding": "Finding",
        "decoder": "Decoder Dense Grid LightFunction Network Planes Rbf Sampled Terms",
        "errors": "DeniedFileError DeniedOutputError DrtiError FileError FitError FormatError "
        "LightError MissingExtraError MissingFileError OptionError OutputError OutputExistsError "
        "PluginError PluginWarning ResourceError StackError UnsupportedDecoderError "
        "UnsupportedFormatError VetoError",
        "lights": "LightDirections NamedLights",
        "measure.compare": "compare",
        "measure.evaluation": "evaluate evaluate_model",
        "model": "Metadata RelightableModel StoredModel",
        "model.contracts": "Codec Exporter ExportReport LightsReader ModelReader Reader "
        "StackReader Writer",
        "options": "parse_spec with_options",
        "registry.catalogue": "get_codec=codec register_plugin",
        "registry.codec_calls": "fit",
        "registry.doors": "open_any open_lights open_model open_stack restore save_model",
        "registry.hookspecs": "FitReport hookimpl",
        "relight.enhance": "enhanced parse_enhancement Enhancement Specular DiffuseGain "
        "LuminanceUnsharp NormalUnsharp",
        "relight.environment": "EnvironmentLight",
        "relight.environment_map": "Environment open_environment",
        "relight.light_paths": "light_circle light_spiral lights_along save_light_path",
        "relight.normal_maps": "compare_normals read_normals save_normals",
        "relight.normals": "normals",
        "relight.save": "save_relit save_rendered",
        "runtime.graph_decoder": "GraphDecoder",
        "stack": "ArrayStack ImageStack Stack",
        "stack.colours": "in_space",
        "stack.developing": "develop undistort",
        "stack.samples.demo": "demo_stack=make_stack",
        "workflow.align": "align_file",
        "workflow.calls": "call_many",
        "measure.many": "evaluate_many",
        "relight.many": "normals_many relight_many",
        "relight.files": "Surroundings relight_file",
        "workflow.many": "check_many convert_many export_many fit_many",
        "workflow.check": "check_file",
        "workflow.convert": "convert_file",
        "workflow.describe": "describe describe_file Description",
        "workflow.export": "export export_file",
        "workflow.fit": "fit_file",
        "workflow.lights": "find_lights_file",
        "workflow.refined_lights": "refine_lights_file",
        "workflow.view": "viewing",
    }

    def __getattr__(name):
        from importlib import import_module

        if name == "__version__":
            globals()[name] = import_module("importlib.metadata").version("drti")
            return globals()[name]
        for module, names in _LATER.items():
            for offered in names.split():
                public, _, own = offered.partition("=")
                if public == name:
                    found = getattr(import_module(f"{__name__}.{module}"), own or public)
                    globals()[name] = found
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})


_logging.getLogger(__name__).addHandler(_logging.NullHandler())

__all__ = [
    # open, fit, save
    "open_any",
    "open_model",
    "open_stack",
    "open_lights",
    "get_codec",
    "fit",
    "fit_file",
    "save_model",
    "convert_file",
    "convert_many",
    "call_many",
    "fit_many",
    "export",
    "export_file",
    "export_many",
    "describe",
    "describe_file",
    "Description",
    "viewing",
    "demo_stack",
    # from a camera
    "open_capture",
    "find_lights",
    "find_lights_file",
    "FoundLights",
    "FoundLight",
    "refine_lights",
    "refine_lights_file",
    "RefinedLights",
    "Ball",
    "Darkroom",
    "develop",
    "undistort",
    "even_exposures",
    "level",
    "in_space",
    "align",
    "align_file",
    "Alignment",
    # relight
    "save_relit",
    "relight_file",
    "relight_many",
    "Surroundings",
    "save_rendered",
    "Environment",
    "open_environment",
    "EnvironmentLight",
    "light_circle",
    "light_spiral",
    "lights_along",
    "save_light_path",
    "enhanced",
    "parse_enhancement",
    "Enhancement",
    "Specular",
    "DiffuseGain",
    "LuminanceUnsharp",
    "NormalUnsharp",
    "normals",
    "save_normals",
    "normals_many",
    "read_normals",
    # measure
    "check",
    "check_file",
    "check_many",
    "Checked",
    "Finding",
    "evaluate",
    "evaluate_model",
    "evaluate_many",
    "compare",
    "compare_normals",
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
    "GraphDecoder",
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
    "FileError",
    "MissingFileError",
    "DeniedFileError",
    "OutputExistsError",
    "OutputError",
    "DeniedOutputError",
    "ResourceError",
    "FormatError",
    "UnsupportedFormatError",
    "StackError",
    "LightError",
    "OptionError",
    "MissingExtraError",
    "FitError",
    "UnsupportedDecoderError",
    "PluginError",
    "VetoError",
    "__version__",
]
