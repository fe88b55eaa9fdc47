"""lrp_ref: the reference implementation of Layer-wise Relevance Propagation."""
