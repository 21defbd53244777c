"""The host side of training: the loop, its health, its logs, sweeps and the benchmark."""
