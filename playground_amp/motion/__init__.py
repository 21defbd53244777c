"""Recorded motion: AMASS takes, retargeting, clips and the reference library."""
