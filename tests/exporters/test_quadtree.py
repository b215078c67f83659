"""The tiles of a page: coarse levels are means, whatever window is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.formats._shared.levels import halved
from drti_exporters._viewer import quadtree
from drti_exporters._viewer.quadtree import Picture, Place, Quadtree, averages, parts_of

CODES = np.random.default_rng(3).integers(0, 256, (4, 601, 1030), np.uint8)


@pytest.mark.parametrize("band", [1 << 24, 5000])
def test_coarse_codes_are_means_of_all_beneath(band, monkeypatch):
    monkeypatch.setattr(quadtree, "_BAND", band)
    read = averages(CODES)
    whole = Window(0, 0, 301, 515)
    np.testing.assert_array_equal(read(1, whole), halved(CODES, 301, 515))
    blocks = CODES[:, :600, :1024].reshape(4, 75, 8, 128, 8).mean(axis=(2, 4))
    found = read(3, Window(5, 7, 70, 121))
    assert np.abs(found - blocks[:, 5:, 7:]).max() <= 0.5
    # The last row and column are means of what there is.
    assert abs(read(3, Window(75, 128, 1, 1))[0, 0, 0] - CODES[0, 600:, 1024:].mean()) <= 0.5


def test_some_rows_stand_for_all():
    found = averages(CODES, most=4)(4, Window(0, 0, 37, 64))
    rows = CODES[:, :592:4, :1024].reshape(4, 37, 4, 64, 16).mean(axis=(2, 4))
    assert np.abs(found - rows).max() <= 0.5


def test_nodes_reach_into_their_neighbours():
    tree = Quadtree([Picture(averages(CODES), bytes)], (601, 1030))
    assert tree.sizes == [(151, 258), (301, 515), (601, 1030)]
    places = list(tree.places())
    assert len(places) == 1 + 2 + 6
    assert [place for place in places if tree.find(place.name) != place] == []
    assert [tree.find(name) for name in ("3/0_0.bin", "2/3_0.bin", "2/0_2.bin", "x")] == [None] * 4
    place = Place(2, 1, 1)
    assert tree.window(place) == Window(511, 511, 90, 514)
    first, second = parts_of(tree.node(place))
    pixels = np.frombuffer(first, np.uint8).reshape(90, 514, 3)
    np.testing.assert_array_equal(np.moveaxis(pixels, -1, 0), CODES[:3, 511:, 511:1025])
    assert len(second) == len(first)  # the fourth plane is alone, the others are 0
