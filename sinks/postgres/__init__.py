"""
Health, its history and the alerts in Postgres: written exactly once, read by people, dashboards and the
command line.

``sink`` runs it; ``writer`` stores batches made by ``rows`` under the claims of ``positions``, and hands to
``rejected`` what cannot be stored; ``tables`` and ``migrations`` say what is stored; ``reading`` answers
questions; ``repair`` is for operators. SQLAlchemy stays in here.
"""
