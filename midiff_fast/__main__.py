"""``python -m midiff_fast`` is the command ``midiff``."""

from .cli import main

if __name__ == "__main__":
    main()
