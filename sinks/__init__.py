"""
Everything that leaves the stream: a consumer for targets that keep their own positions, and those targets.
"""
