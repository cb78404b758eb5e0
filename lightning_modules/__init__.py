"""Everything from the batch to the logits."""
