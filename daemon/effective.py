"""The effective configuration, and where each value came from."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from dfd.daemon.journal.address import without_password
from dfd.daemon.options import ServeOptions


def effective_fields(options: ServeOptions, origins: Mapping[str, str]) -> dict[str, str]:
    """Returns each option as `value (origin)`; the paths of secrets are shown, never their content.

    Args:
        options: the effective options.
        origins: option name -> flag, environment or file; missing ones are defaults.
    """
    shown = {}
    for option in fields(options):
        value = getattr(options, option.name)
        text = "none" if value is None else str(value)
        if option.name == "model":
            text = ", ".join(options.models)
        elif isinstance(value, (tuple, list)):
            text = ", ".join(value) or "none"
        if isinstance(value, Path):
            text = str(value.absolute())
        if option.name == "journal":
            text = without_password(text)
        shown[option.name] = f"{text} ({origins.get(option.name, 'default')})"
    return shown


def changed_fields(options: ServeOptions, origins: Mapping[str, str]) -> dict[str, str]:
    """Returns the options that differ from their defaults, or a note that none does."""
    usual = ServeOptions()
    shown = effective_fields(options, origins)
    changed = {
        name: text for name, text in shown.items() if getattr(options, name) != getattr(usual, name)
    }
    return changed or {"options": "all default"}
