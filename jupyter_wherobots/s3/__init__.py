"""The only rooms that speak S3. They know keys and ETags, and nothing of layouts, files, HTTP
handlers or Jupyter.

`client` decides endpoint, region, credentials and timeouts once; `listing`, `objects` and
`multipart` are plain functions over it; `probe` finds out what a store's conditional requests are
worth. All that they raise is in `jupyter_wherobots.errors`, with the exception of botocore or
obstore as its cause. Importing these modules imports neither of the two.
"""
