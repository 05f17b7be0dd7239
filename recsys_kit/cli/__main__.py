"""The command as `python -m recsys_kit.cli`."""

from recsys_kit.cli import main

if __name__ == "__main__":
    main()
