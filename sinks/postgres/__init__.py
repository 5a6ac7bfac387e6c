"""
Health, its history and the alerts in Postgres: written exactly once, read by people, dashboards and the command line.

``sink`` runs it; ``writer`` stores batches made by ``rows``; ``tables`` and ``migrations`` say what is stored;
``reading`` answers questions. SQLAlchemy stays in here.
"""
