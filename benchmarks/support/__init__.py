"""What benchmarks share: load, figures and tables."""
