"""The search for a student under a budget: what it may try, what one trial does, what came out."""
