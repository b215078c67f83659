"""Plugins that hook the library into other tools."""
