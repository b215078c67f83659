"""Photographs and their lights, read window by window."""

from __future__ import annotations

from drti_core.stack.stack import AUTO, ArrayStack, ImageStack, Stack

__all__ = ["AUTO", "ArrayStack", "ImageStack", "Stack"]
