"""What a network would cost on a platform: catalogue, roofline, memory traffic."""
