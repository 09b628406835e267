"""``python -m rnnprof`` is the same as ``rnnprof``."""

import sys

from rnnprof.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
