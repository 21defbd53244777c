"""What every layer may use: errors, files, the console, rotations, and the arrays that travel between the parts."""
