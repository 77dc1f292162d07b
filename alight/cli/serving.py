"""Imported by processes that Python's forkserver starts, before anything of the user's: torch is alight from then on."""

from alight.cli.imports import serve

serve()
