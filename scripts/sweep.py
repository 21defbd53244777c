"""The same as `playground-amp sweep`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["sweep", *sys.argv[1:]])
