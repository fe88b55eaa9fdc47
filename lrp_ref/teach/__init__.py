"""What is for learning: message tables, formulas of whole networks, Taylor decomposition."""
