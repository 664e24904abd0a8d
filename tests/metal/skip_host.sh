#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands for the tests of the Metal host where they cannot be built.
echo "1..0 # SKIP metal host: ${TN_METAL_HOST#no: }"
