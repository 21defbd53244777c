"""The same as `playground-amp evaluate`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
