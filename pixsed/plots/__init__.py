"""What is made from maps: pictures and profiles."""
