"""Figures of motion that clips and policies share: gait, torque, balance, distance between distributions."""
