"""What differs between them."""
