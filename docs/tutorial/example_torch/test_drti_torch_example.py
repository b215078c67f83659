"""The torch example keeps every promise of a codec."""

from drti_torch_example import TorchCodec

from drti_core.testing import CodecSuite


class TestTorchExample(CodecSuite):
    codec = TorchCodec(steps=100)
    min_psnr = 28
    flat_error = 0.03
