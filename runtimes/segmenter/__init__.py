"""The Segmenter: slices, volumes, streams and jobs on an opened runtime."""
