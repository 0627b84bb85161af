"""Which images there are, when each is scanned again, and what ECR and its events say of them."""
