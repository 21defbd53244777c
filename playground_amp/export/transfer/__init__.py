"""An exported policy where it was not trained: other engines, grounds, masses, motors, delays and pushes."""
