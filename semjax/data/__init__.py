"""Pictures in: sources, the strict decoder, crops, and the loaders of training and evaluation."""
