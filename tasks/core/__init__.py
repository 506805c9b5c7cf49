"""What every stage stands on: params, errors, the graph of stages, files that are read with bounds."""
