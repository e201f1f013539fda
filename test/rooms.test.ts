import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'

const ROOT = join(import.meta.dirname, '..')

/** Which rooms a room may import from, besides itself. The map is CONTRIBUTING.md's. */
const MAY_IMPORT: Record<string, string[]> = {
  protocol: [],
  client: ['protocol'],
  cli: ['client', 'protocol'],
  'server/errors': [],
  'server/http': [],
  'server/oss': ['server/http'],
  'server/blobs': ['server/oss', 'server/errors'],
  'server/records': ['server/errors'],
  'server/images': ['server/blobs', 'server/oss'],
  'server/attachments': [
    'protocol',
    'server/blobs',
    'server/records',
    'server/quotas',
    'server/scan',
    'server/oss',
    'server/http',
    'server/bounded-cache',
    'server/errors',
  ],
  'server/audit': ['server/errors', 'server/logging'],
  'server/quotas': ['server/records', 'server/bounded-cache', 'server/errors'],
  'server/scan': ['server/errors'],
  'server/bounded-cache': [],
  'server/metrics': [],
  'server/logging': [],
  'server/background': [],
  'server/steady-clock': [],
  'server/data-lock': [],
  'server/secrets': ['server/errors'],
  'server/setting-kinds': ['server/errors'],
  'server/settings': ['server/setting-kinds'],
  'server/config': ['server/errors', 'server/settings'],
  'server/routes': [
    'protocol',
    'server/attachments',
    'server/audit',
    'server/records',
    'server/blobs',
    'server/images',
    'server/oss',
    'server/http',
    'server/bounded-cache',
    'server/logging',
    'server/errors',
  ],
  'server/upkeep': ['server/blobs', 'server/records', 'server/errors'],
  'server/stores': [
    'server/attachments',
    'server/blobs',
    'server/records',
    'server/config',
    'server/data-lock',
    'server/secrets',
    'server/errors',
  ],
}

// The composition root and what stands above it see every room.
const ABOVE = ['server/app', 'server/service', 'server/commands', 'server/dev', 'server/main', 'server/index']

// Workspaces that are one room.
const WHOLE_ROOMS = ['protocol', 'client', 'cli']

interface Import {
  from: string
  to: string
  file: string
}

function sources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ts$/.test(name) && !/\.(test|contract|fixture)\.ts$/.test(name))
    .map((name) => join(directory, name))
}

function roomOf(file: string): string {
  const [, workspace = '', , ...rest] = relative(ROOT, file).split('/')
  return WHOLE_ROOMS.includes(workspace) ? workspace : `${workspace}/${(rest[0] ?? '').replace(/\.ts$/, '')}`
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].flatMap(([, target = '']) => {
    const [, workspace] = /^@attache\/([^/]+)/.exec(target) ?? []
    if (workspace !== undefined) return [{ from: roomOf(file), to: workspace, file }]
    return target.startsWith('.') ? [{ from: roomOf(file), to: roomOf(join(dirname(file), target)), file }] : []
  })
}

const files = ['protocol', 'client', 'cli', 'server'].flatMap((name) => sources(join(ROOT, 'packages', name, 'src')))

describe('the rooms', () => {
  it('import in the directions of the map only', () => {
    const wrong = files
      .flatMap(importsOf)
      .filter(({ from, to }) => from !== to && !ABOVE.includes(from) && !MAY_IMPORT[from]?.includes(to))
    assert.deepEqual(
      wrong.map(({ file, to }) => `${relative(ROOT, file)} → ${to}`),
      [],
    )
  })

  it('are all on the map', () => {
    const unknown = new Set(files.map(roomOf).filter((room) => !(room in MAY_IMPORT) && !ABOVE.includes(room)))
    assert.deepEqual(
      [...unknown].filter((room) => !/\/samples$/.test(room)),
      [],
    )
  })

  it('read the environment in one file, and end the process in one', () => {
    const holding = (pattern: RegExp) =>
      files.filter((file) => pattern.test(readFileSync(file, 'utf8'))).map((file) => relative(ROOT, file))
    // The renderer is a process of its own.
    const ending = ['packages/cli/src/main.ts', 'packages/server/src/images/renderer.ts', 'packages/server/src/main.ts']
    const reading = ['packages/cli/src/main.ts', 'packages/server/src/config.ts', 'packages/server/src/main.ts']
    assert.deepEqual(holding(/process\.env\b/).sort(), reading)
    assert.deepEqual(holding(/process\.exit\b|process\.exitCode/).sort(), ending)
  })

  it('hold no file over 350 lines', () => {
    const long = files.filter((file) => readFileSync(file, 'utf8').split('\n').length > 350)
    assert.deepEqual(long, [])
  })

  it('compare no signature or secret but in constant time', () => {
    const careless = files.flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => comparesCarelessly(line))
        .map((line) => `${relative(ROOT, file)}: ${line.trim()}`),
    )
    assert.deepEqual(careless, [])
  })

  it('would be caught comparing them', () => {
    const CARELESS = [
      'if (signature === expected) return true',
      'if (expected !== claim.signature) throw mismatch()',
      'return signV1(key, text) == provided',
      'const same = app?.secretHash === secretHashOf(appSecurity)',
      'if (expected.equals(mac)) return',
      'return Object.is(signature, expected)',
      'if (accessKeySecret.localeCompare(other) === 0) return',
      'return Buffer.compare(expectedSignature, given) === 0',
    ]
    const CAREFUL = [
      'if (signature === undefined) return',
      "if (signature !== '') return",
      "if (settings.signature === 'v4') return",
      'return a.length === b.length && timingSafeEqual(a, b)',
      "query.filter(([name]) => name !== 'x-oss-signature')",
      'if (signature.length !== 28) return',
    ]
    assert.deepEqual(CARELESS.filter(comparesCarelessly), CARELESS)
    assert.deepEqual(CAREFUL.filter(comparesCarelessly), [])
  })
})

/** Names end so, of values and of what makes them; `provided` is what a caller signed. */
const KEPT = /(?:^provided|signature|secret|(?:secret|token|refresh)hash(?:of)?|h?mac|appsecurity|signv[14])$/i
const HARMLESS = /^(?:undefined|null|true|false|\d+|'[^']*'|`[^`$]*`)$/

/** Whether one side of a comparison is a signature or a secret, and the other side may be one that a caller sent. */
function comparesCarelessly(line: string): boolean {
  const operand = String.raw`(?:'[^']*'|[\w$.?!]+(?:\([^()]*\))?)`
  const sides = [
    ...line.matchAll(new RegExp(`(${operand})\\s*[!=]==?\\s*(${operand})`, 'g')),
    ...line.matchAll(/([\w$.?!]+)\.(?:equals|localeCompare)\(([\w$.?!]+)/g),
    ...line.matchAll(/(?:Object\.is|Buffer\.compare)\(([\w$.?!]+), ([\w$.?!]+)/g),
  ]
  return sides.some(
    ([, left = '', right = '']) =>
      [left, right].some((side) => KEPT.test(side.replace(/\(.*\)$/, ''))) &&
      ![left, right].some((side) => HARMLESS.test(side)),
  )
}
