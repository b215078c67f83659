"""Photographs and their lights, read window by window."""

from __future__ import annotations

from drti_core.stack.stack import ArrayStack, ImageStack, Stack

__all__ = ["ArrayStack", "ImageStack", "Stack"]
