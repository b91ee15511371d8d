"""``python -m firstspike``."""

from .cli import main

main(prog_name="firstspike")
