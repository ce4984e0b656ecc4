"""What matters in a picture, and what that buys."""
