/** F8: what is installed for production: how many packages, under which licences, from where. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../programs.ts'
import { row } from './stage.ts'

const ROOT = join(import.meta.dirname, '../..')
const MOST_PACKAGES = 120
const LICENCES = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  '0BSD',
  'CC0-1.0',
])
/** libvips, inside sharp: linked, not copied. */
const LIBVIPS = /^node_modules\/@img\/sharp-/

interface Locked {
  version?: string
  license?: string
  integrity?: string
  resolved?: string
  dev?: boolean
  devOptional?: boolean
  link?: boolean
  hasInstallScript?: boolean
}

await row('F8', async () => {
  const lock = read('package-lock.json') as { packages: Record<string, Locked> }
  const faults: string[] = []
  const entries = Object.entries(lock.packages).filter(([path]) => path.includes('node_modules/'))
  const production = entries.filter(([, { dev, devOptional, link }]) => !dev && !devOptional && !link)
  // A machine has the pictures' library for itself alone.
  const installed = production.filter(([path]) => existsSync(join(ROOT, path)))
  if (installed.length > MOST_PACKAGES) faults.push(`${installed.length} packages`)
  for (const [path, { license = 'none' }] of production) {
    const allowed = LIBVIPS.test(path) ? isAllowed(license, 'LGPL-3.0-or-later') : isAllowed(license)
    if (!allowed) faults.push(`${path}: ${license}`)
  }
  for (const [path, { link, integrity, resolved, dev, hasInstallScript }] of entries) {
    if (link) continue
    if (integrity === undefined) faults.push(`${path}: no integrity`)
    if (resolved !== undefined) faults.push(`${path}: an address, ${new URL(resolved).host}`)
    if (hasInstallScript && !dev) faults.push(`${path}: runs a script when it is installed`)
  }
  for (const [path, { version }] of installed) {
    const found = (read(`${path}/package.json`) as { version: string }).version
    if (found !== version) faults.push(`${path}: ${found} is installed, ${version} is locked`)
  }
  const pinned = manifests(lock.packages).flatMap(([name, version]) =>
    /^\d+\.\d+\.\d+$/.test(version) ? [] : [`${name}: ${version}`],
  )
  faults.push(...pinned)
  const named = await billOfMaterials()
  for (const [path, { version }] of installed) {
    if (!named.has(`${nameOf(path)}@${version}`)) faults.push(`${path}: not in the bill of materials`)
  }
  for (const fault of faults.slice(0, 20)) console.log(fault)
  const licences = [...new Set(production.map(([, { license }]) => license))].join(', ')
  const looked = entries.filter(([, { link }]) => !link).length
  const figure = `${looked} of ${entries.length} locked packages looked at (the others are our own), all with a digest and without an address; of ${production.length} for production, licences ${licences}; ${installed.length} of those installed here, in the versions locked, the rest for other platforms; what our own packages ask for is pinned; CycloneDX names ${named.size}, each installed one among them; the age of versions and advisories are not asked here: ${faults.length} faults`
  return { ok: faults.length === 0, figure }
})

function isAllowed(licence: string, also?: string): boolean {
  return licence.split(' AND ').every((one) => LICENCES.has(one) || one === also)
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
}

/** What our own packages ask for, each other left out. */
function manifests(packages: Record<string, Locked>): [string, string][] {
  const own = Object.keys(packages).filter((path) => !path.includes('node_modules/'))
  return own.flatMap((path) => {
    const manifest = read(join(path, 'package.json')) as Record<string, Record<string, string> | undefined>
    const asked = { ...manifest['dependencies'], ...manifest['devDependencies'] }
    return Object.entries(asked).filter(([name]) => !name.startsWith('@attache/') && name !== 'attache')
  })
}

/** `name@version` of each component. Not with `--omit dev`, which leaves out what development asks for as well as production. */
async function billOfMaterials(): Promise<Set<string>> {
  const { stdout } = await run('npm', ['sbom', '--sbom-format', 'cyclonedx'], {
    cwd: ROOT,
    maxBuffer: 64 * 1024 * 1024,
  })
  const { components } = JSON.parse(stdout) as { components: { name: string; version: string }[] }
  return new Set(components.map(({ name, version }) => `${name}@${version}`))
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}
