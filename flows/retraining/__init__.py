"""What a night of retraining is made of; flows/retrain.py puts it together."""
