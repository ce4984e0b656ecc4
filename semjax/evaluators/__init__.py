"""Sweeps over channels and SNR, their results, figures, reports and tables."""
