"""The discriminator: networks, losses, penalties and rewards, small pure functions looked up by name.

Inputs are normalised AMP features; the score D of an input is a real number, higher for the reference.
"""
