"""The laboratory: comparisons and tables for the documentation, not part of the product."""
