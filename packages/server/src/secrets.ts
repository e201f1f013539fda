import { hkdfSync, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ConfigError, isSystemError } from './errors.ts'

const LEAST_BYTES = 32

/** The secret that all keys are derived from. A missing default file is made, durably, before anything is signed with it. */
export async function rootSecret(file: string, options: { create: boolean }): Promise<Buffer> {
  try {
    return await readSecret(file)
  } catch (error) {
    if (!options.create || !isSystemError(error, 'ENOENT')) throw error
    await createSecret(file)
    return readSecret(file)
  }
}

async function readSecret(file: string): Promise<Buffer> {
  const text = (await readFile(file, 'utf8')).trim()
  const secret = /^[0-9a-f]{64,}$/.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'utf8')
  if (secret.length >= LEAST_BYTES) return secret
  throw new ConfigError(`${file} holds fewer than ${LEAST_BYTES} bytes: make one with \`openssl rand -hex 32\`.`)
}

async function createSecret(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const beside = join(dirname(file), `.root-${randomBytes(8).toString('hex')}`)
  const { O_CREAT, O_EXCL, O_WRONLY } = constants
  try {
    const handle = await open(beside, O_CREAT | O_EXCL | O_WRONLY, 0o600)
    try {
      await handle.writeFile(`${randomBytes(LEAST_BYTES).toString('hex')}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await linkUnlessThere(beside, file)
  } finally {
    await rm(beside, { force: true })
  }
  const directory = await open(dirname(file), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Another process may have made one in the meantime: the first one stands. */
async function linkUnlessThere(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
  }
}

/** A key of its own for each purpose. */
export function derivedKey(root: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', root, Buffer.alloc(0), `attache ${purpose}`, 32))
}
