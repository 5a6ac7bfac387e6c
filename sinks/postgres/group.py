"""
The sink's consumer group; apart, so that who asks for its lag does not load a database driver first (0.7 s).
"""

from typing import Final

GROUP: Final = "telltale-sink-postgres"
