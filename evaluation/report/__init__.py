"""The HTML report: what runs were trained on, what they reach, and every test picture with its prediction."""
