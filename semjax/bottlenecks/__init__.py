"""What turns latents into a `Signal` and back."""
