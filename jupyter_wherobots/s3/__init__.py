"""The only rooms that speak S3. They know keys and ETags, and nothing of layouts, files, handlers
or Jupyter.

Inside out: `session` and `credentials` read the AWS configuration once for both libraries, `client`
is one bucket reached by it, `keys` says what may be asked. `listing`, `objects` (with `deletes` and
`copies`) and `multipart` (with `crew`) are plain functions over a client; `probe` finds out what a
store's conditional requests are worth. All that they raise is in `jupyter_wherobots.errors`, found
by `failures`, with the exception of botocore or obstore as its cause. Importing these modules
imports neither library.
"""
