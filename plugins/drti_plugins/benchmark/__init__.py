"""Benchmarks: fits, relighting, training, surroundings, and codecs over published protocols."""
