"""What training minimises: pure functions, one unreduced number per picture, nothing clipped."""
