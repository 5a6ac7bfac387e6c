"""
What commands do, without saying it: plans, checks, writers and readers outside of the workers. No click, no
printing.
"""
