"""Policy optimisation: arrays in, arrays out; no MuJoCo."""
