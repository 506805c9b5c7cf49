"""Stage quantize: the student becomes the folder that ships."""
