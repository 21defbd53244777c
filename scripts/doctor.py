"""The same as `playground-amp doctor`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["doctor", *sys.argv[1:]])
