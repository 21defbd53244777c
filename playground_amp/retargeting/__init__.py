"""From recorded motion to clips of a robot, offline: training never imports it."""
