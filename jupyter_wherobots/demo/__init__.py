"""``jupyter wherobots demo``: everything at once on one machine, with nothing to sign up for.

``samples`` makes the data (pure), ``bucket`` puts it into an S3 (moto's, in this process, unless told another), ``lab`` runs
JupyterLab beside it in a home of its own, ``evidence`` compares that home with the bucket, ``run`` is the order of events.
"""
