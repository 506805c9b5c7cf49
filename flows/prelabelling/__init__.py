"""`slipway prelabel`: labels texts by what is said of each label."""
