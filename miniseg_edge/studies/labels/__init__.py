"""What people drew: label maps, folders of images with masks, masks of whole studies."""
