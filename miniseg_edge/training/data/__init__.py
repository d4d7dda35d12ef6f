"""Labelled slices as training sees them: folds, augmentation, batches."""
