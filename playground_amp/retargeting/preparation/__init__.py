"""A recording as it was read -> one that can be retargeted: without poses of calibration, over the ground, in time."""

from playground_amp.retargeting.preparation.prepare import prepared

__all__ = ["prepared"]
