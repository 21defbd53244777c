"""A robot description proposed from nothing but an MJCF."""
