"""semjax: semantic communication of images in JAX and Flax.

The package is a chain of parts (encode, importance, bottleneck, channel, decode) on floors whose imports only go down;
`semjax.types` holds what travels between them and `semjax.contracts` what a part must be able to do.
"""

__version__ = "0.1.0"
