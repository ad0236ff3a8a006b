"""What goes wrong because of what a user asked for, in one line each."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake that its message explains; the command line prints it and exits with status 2."""


class ConfigError(UserError):
    """A configuration that cannot be used; the message names the key."""


class RunError(UserError):
    """A run directory that cannot be read or written; the message names the path."""
