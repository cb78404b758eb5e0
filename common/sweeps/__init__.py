"""Jobs of a multirun and the records that they leave."""
