"""Bytes on disk: whole-or-absent outputs, out-of-core arrays, strict JSON, XML and headers.

Knows no light, plane or model.
"""
