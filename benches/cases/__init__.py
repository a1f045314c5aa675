"""What is compared, one file a subject: functions that yield cases when their turn comes."""
