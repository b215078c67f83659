"""Finds, guards, lists and calls plugins; opens and saves whatever they read and write.

Built-ins are named as strings, so that no codec and no format is imported here.
"""
