"""The same as `playground-amp retarget`, without installing the command."""

import sys

from playground_amp.__main__ import main

if __name__ == "__main__":
    main(["retarget", *sys.argv[1:]])
