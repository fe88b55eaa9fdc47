"""What is explained where one network trained once is not enough: models of postings, of tags, an agent."""
