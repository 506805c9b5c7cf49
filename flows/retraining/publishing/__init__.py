"""The commit of a night, pushed, and what is mended when that was cut off."""
