"""What whoever watches all streams is shown; it costs the streams next to nothing."""
