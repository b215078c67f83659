"""A network made with torch as a codec of drti: components mixed by a network of the light."""

from dataclasses import dataclass

import numpy as np

import drti_core as drti
from drti_core.codec import no_progress
from drti_core.model.graph_model import GraphModel, restore_graph


@dataclass(frozen=True)
class TorchCodec(drti.Codec):
    """Its models are planes and an ONNX graph, which drti itself restores: hence the id."""

    codec_id = "onnx"
    summary = "Principal components mixed by a network of the light, made with torch"
    steps: int = 300

    def fit(self, stack, progress=no_progress):
        """Train on every n-th row of the photographs."""
        import torch  # not above: this file is imported to ask what it offers

        from drti_core.training import decoder_from_torch

        class Pixels(torch.nn.Module):
            def __init__(self):
                super().__init__()
                layers = torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 30)
                self.light = torch.nn.Sequential(*layers)

            def forward(self, latents, light):  # a product of two inputs is no chain of layers
                weight = self.light(light).reshape(-1, 10, 3)
                return weight[:, 0] + ((latents / scale)[:, :, None] * weight[:, 1:]).sum(1)

        planes = drti.get_codec("rbf:planes=9").fit(stack, progress).planes
        height, width = stack.shape
        rows = [drti.Window(y, 0, 1, width) for y in range(0, height, -(-height // 64))]
        latents = torch.from_numpy(np.concatenate([planes.read(row) for row in rows]))
        pixels = torch.from_numpy(np.concatenate([stack.read(row) for row in rows], axis=1))
        lights, scale = (
            torch.from_numpy(stack.lights.xyz.copy()),
            latents.std(0, correction=0) + 1e-3,
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = Pixels()
            last = module.light[2]
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
            last.bias.data[:3] = pixels.mean((0, 1))  # begin with the mean colour
            optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
            for _ in range(self.steps):
                i, p = torch.randint(len(lights), (512,)), torch.randint(len(latents), (512,))
                loss = (module(latents[p], lights[i]) - pixels[i, p]).square().mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        graph = decoder_from_torch(module, planes, light="xyz", separate=True)
        metadata = drti.Metadata(lights=stack.lights, encoding=stack.encoding)
        return GraphModel(shape=stack.shape, planes=planes, graph=graph, metadata=metadata)

    def restore(self, stored):
        """Rebuild a model."""
        return restore_graph(stored)


CODEC = TorchCodec()


@drti.hookimpl
def register_codecs(register):
    """Register ``torch-example``."""
    register("torch-example", "drti_torch_example:CODEC")
