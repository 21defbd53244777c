"""The folder of a run: configuration, metrics, checkpoints."""
