"""The same as `playground-amp train`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
