"""What people look at: frames, videos and pages."""
