"""Neural style transfer, small enough to read: `losses`, `extractor` and `optimize` hold the method."""

__version__ = "0.1.0"
