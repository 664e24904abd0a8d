#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands for all tests of this folder where they cannot be built.
echo "1..0 # SKIP metal simulator: ${TN_METAL_SIM#no: }"
