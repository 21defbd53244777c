"""A trained policy as one folder for a robot's engineer: ONNX, NumPy, contract, golden trace, robot, README."""
