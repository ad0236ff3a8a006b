"""The version, in one place: read by the build, the package and the compiled library."""

__version__ = "0.1.0"
