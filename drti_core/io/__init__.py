"""Bytes on disk, whole or absent, strictly read; and what the machine has: memory and threads.

Knows no light, plane or model.
"""
