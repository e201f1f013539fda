import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)

const HERE = join(import.meta.dirname, '..')
export const TSC = join(HERE, '../../node_modules/typescript/bin/tsc')

/** The package as it is published, alone in a `node_modules` of its own. */
export interface BuiltPackage extends AsyncDisposable {
  /** Programs here import it by its name. */
  directory: string
  /** The compiled files. */
  dist: string
}

export async function builtPackage(): Promise<BuiltPackage> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-package-'))
  const home = join(directory, 'node_modules/@attache/client')
  const dist = join(home, 'dist')
  await mkdir(home, { recursive: true })
  await cp(join(HERE, 'package.json'), join(home, 'package.json'))
  await compile(dist)
  return { directory, dist, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

/** Compiles the sources into `directory`, as `tsc --build` does into `dist`. */
export async function compile(directory: string, ...options: string[]): Promise<void> {
  const alone = ['--composite', 'false', '--incremental', 'false']
  await run(process.execPath, [TSC, '-p', HERE, '--outDir', directory, ...alone, ...options])
}

/** A compiled file and what it imports of the package, each once. */
export async function closureOf(entry: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const visit = async (path: string): Promise<void> => {
    if (files.has(path)) return
    const text = await readFile(path, 'utf8')
    files.set(path, text)
    for (const [, target = ''] of text.matchAll(/^(?:import|export)\s[^'"]*['"]([^'"]+)['"]/gm)) {
      if (target.startsWith('.')) await visit(join(dirname(path), target))
    }
  }
  await visit(entry)
  return files
}
