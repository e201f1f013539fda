#!/usr/bin/env node
require('./check-node.cjs')
// Keeps compiled code between starts, which makes them faster and smaller; where the folder can't be written nothing happens.
require('node:module').enableCompileCache(require('node:path').join(__dirname, '../.cache'))
import('../src/main.ts')
