"""The same as `playground-amp view`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["view", *sys.argv[1:]])
