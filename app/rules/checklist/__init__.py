"""报名前检查: which settings are missing or contradict each other before registration opens."""
