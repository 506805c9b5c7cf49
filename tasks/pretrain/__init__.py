"""Stage pretrain: a pretrained checkpoint, found, checked and made ready."""
