"""Decoders as ONNX graphs: made, checked when a stranger made them, and run by ONNX Runtime."""
