"""What was said becomes facts: extract -> embed -> look -> decide -> apply, and the jobs that owe it."""
