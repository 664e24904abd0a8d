# SPDX-License-Identifier: Apache-2.0
"""Tasks the starter model is trained on: each is a function from a random source to one Turn."""
