"""Finds, guards, lists and calls plugins.

Built-ins are named as strings, so that no codec and no format is imported here.
"""
