"""Jobs: imports, documents, upkeep, and the engines that run them."""
