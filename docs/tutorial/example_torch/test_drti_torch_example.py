"""The torch example keeps every promise of a codec."""

from drti_torch_example import TorchCodec

from drti_core.testing import CodecSuite


class TestTorchExample(CodecSuite):
    codec = TorchCodec(steps=50)  # few: the promises are tested here, not how far training gets
    min_psnr = 25
