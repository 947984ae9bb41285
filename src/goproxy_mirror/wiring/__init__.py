"""Parts of the composition root: from settings to what they stand for."""
