"""What a trained policy is worth: fresh episodes, their figures, and the bounds of good ones."""
