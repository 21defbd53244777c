"""The environment: observation, task, termination, restart; and the physics under it."""
