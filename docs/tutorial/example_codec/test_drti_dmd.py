"""DMD keeps every promise of a codec, and its modes are what the theory says."""

import numpy as np
from drti_dmd import CODEC, DmdCodec, mode_table, mode_values, modes

import drti_core as drti
from drti_core.testing import CodecSuite, dome


class TestDmd(CodecSuite):
    codec = CODEC
    min_psnr = 30


class TestFewModes(CodecSuite):
    codec = DmdCodec(modes=4, bits=16, ridge=None)
    flat_error = 0.05  # the fourth mode is nearly, not wholly, constant


def test_the_first_modes_move_the_shell_as_it_is():
    """Along z, x and y: no bending, frequency 0."""
    assert [round(mode[0], 6) for mode in modes()[:4]] == [0, 0, 0, round(modes()[3][0], 6)]
    lights = dome(20)
    x, y, z = lights.xyz.T
    np.testing.assert_allclose(mode_values(lights, 3), np.stack([z, x, y], axis=1), atol=1e-6)


def test_modes_are_orthogonal_over_the_hemisphere():
    z, around = np.meshgrid((np.arange(200) + 0.5) / 200, np.arange(200) / 200 * 2 * np.pi)
    side = np.sqrt(1 - z**2)
    xyz = np.stack([side * np.cos(around), side * np.sin(around), z], axis=-1).reshape(-1, 3)
    values = mode_values(drti.LightDirections(xyz.astype(np.float32)), 16)
    moment = values.T @ values / len(values)
    norm = np.sqrt(np.diag(moment))
    # z, x and y have one frequency, but are orthogonal by their symmetry.
    np.testing.assert_allclose(moment / np.outer(norm, norm), np.eye(16), atol=2e-3)


def test_the_table_is_near_the_modes():
    assert mode_table(11).mean_error < 1e-3
