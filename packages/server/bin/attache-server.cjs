#!/usr/bin/env node
require('./check-node.cjs')
import('../src/main.ts')
