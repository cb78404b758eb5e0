"""What every package needs and that needs none of them."""
