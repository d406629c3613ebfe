"""The home mirror: home -> S3 one way while the server runs, S3 -> home at start. It never
loses a version.

Knows S3 only through `jupyter_wherobots.s3`, and neither the storage browser, tornado nor Jupyter.
`service.HomeSync` is the door; the flow of a save is scan -> plan (pure) -> push -> journal.
"""
