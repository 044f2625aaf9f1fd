"""What may happen: plain functions on an explicit session, actor and clock. No Flask, no queue."""
