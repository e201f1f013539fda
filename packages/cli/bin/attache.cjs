#!/usr/bin/env node
// Plain old JavaScript: it has to run on the Node that is too old, which knows no `node:` either.
var { existsSync } = require('fs')
var { join } = require('path')
var version = process.versions.node
var sources = existsSync(join(__dirname, '../src/main.ts'))
var built = existsSync(join(__dirname, '../dist/main.js'))
var major = Number(version.split('.')[0])
// A checkout runs from its sources where Node can; what is published has only `dist`.
var fromSources = sources && (major >= 24 || !built)
var least = fromSources ? 24 : 20
var fix = fromSources ? 'run `npm ci` in the project, then `npx attache`' : 'install Node.js ' + least
if (major < least) {
  console.error('attache needs Node.js ' + least + ' or newer and this is ' + version + ': ' + fix + '.')
  process.exit(2)
}
var nodeModule = require('module')
// Keeps compiled code between starts; where the folder can't be written nothing happens.
if (nodeModule.enableCompileCache) nodeModule.enableCompileCache(join(__dirname, '../.cache'))
if (fromSources) {
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, Object.assign({}, context, { conditions: context.conditions.concat('@attache/source') })),
  })
}
import(fromSources ? '../src/main.ts' : '../dist/main.js')
