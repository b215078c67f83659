"""Stacks out of thin air: a procedural scene, photographed under lights of one's choice."""
