import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { CliError, codeOf } from './failures.ts'
import type { Environment, Say } from './words.ts'

/** A server and a key pair under a name. */
export interface Profile {
  url?: string
  appKey?: string
  appSecurity?: string
}

/** Where profiles live, or `undefined` for a user without a home. */
export function profilesPath(env: Environment): string | undefined {
  const given = process.platform === 'win32' ? env['APPDATA'] : env['XDG_CONFIG_HOME']
  // XDG Base Directory: a path that isn't absolute is to be ignored.
  const directory = given && isAbsolute(given) ? given : homeConfig()
  return directory && join(directory, 'attache', 'profiles.json')
}

function homeConfig(): string | undefined {
  try {
    const home = homedir()
    return isAbsolute(home) ? join(home, '.config') : undefined
  } catch {
    // In a container the user may stand in no passwd file.
    return undefined
  }
}

export async function readProfiles(path: string, say: Say): Promise<Map<string, Profile>> {
  try {
    const { profiles } = JSON.parse(await readFile(path, 'utf8')) as { profiles: Record<string, Profile> }
    return new Map(Object.entries(profiles))
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return new Map()
    if (codeOf(error) !== undefined) throw error
    // Without the cause: a parser's message repeats what it read.
    throw new CliError(
      say({
        en: `${path} is not a profile file: correct it, or remove it and run \`attache login\``,
        zh: `${path} 不是有效的配置档：请修正，或删除后运行 attache login`,
      }),
    )
  }
}

/** Whole or not at all, and readable by nobody else at any moment. */
export async function saveProfile(path: string, name: string, profile: Profile, say: Say): Promise<void> {
  const profiles = await readProfiles(path, say)
  profiles.set(name, profile)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    const file = await open(beside, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ profiles: Object.fromEntries(profiles) }, undefined, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** Whether others on this machine may read it. */
export async function isOpenToOthers(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false
  const facts = await stat(path).catch(() => undefined)
  return facts !== undefined && (facts.mode & 0o077) !== 0
}
