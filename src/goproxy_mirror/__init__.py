"""A Go module proxy that fetches every module from whichever of its homes can be reached today."""

__version__ = "0.1.0"
