"""Ways to run a decoder: numpy, ONNX Runtime, LLVM; every one is held to the reference.

Nothing here imports onnx, onnxruntime or llvmlite before a function that needs it is called.
"""
