"""Stage finetune: the teacher."""
