"""What is run in a sandbox, seen from the trusted side: a request goes in, raw arrays come back."""
