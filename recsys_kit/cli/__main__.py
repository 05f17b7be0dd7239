"""The command as `python -m recsys_kit.cli`."""

from recsys_kit.cli import main

main()
