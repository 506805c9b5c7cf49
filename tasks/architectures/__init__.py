"""One record per architecture: what stages have to know of its models, and where in them it is."""
