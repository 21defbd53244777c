"""The same as `playground-amp benchmark`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["benchmark", *sys.argv[1:]])
