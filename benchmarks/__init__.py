"""Ours beside s5cmd, rclone and the AWS CLI, in one run. README.md says what each program measures."""
