"""The course of a training: its stages, Lightning's Trainer, and the processes that share it."""
