"""Decoders outside the reference: as ONNX graphs, and run by ONNX Runtime.

:mod:`drti_core.runtime.graph` makes the graphs. Nothing here imports onnx or onnxruntime before a
function that needs it is called.
"""
