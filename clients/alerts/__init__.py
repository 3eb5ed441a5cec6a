"""What is done with what a stream tells: JSON lines, web hooks, a command at an alert."""
