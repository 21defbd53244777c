"""Readers of motion files: every damaged file is one sentence."""
