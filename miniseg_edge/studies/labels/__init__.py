"""Expert labels: label maps, folders of images with masks, masks of whole studies."""
