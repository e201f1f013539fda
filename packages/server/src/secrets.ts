import { hkdfSync, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const LEAST_BYTES = 32

/** The secret that all keys are derived from. A missing default file is made, durably, before anything is signed with it. */
export async function rootSecret(file: string, options: { create: boolean }): Promise<Buffer> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    const secret = /^[0-9a-f]{64,}$/.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'utf8')
    if (secret.length < LEAST_BYTES)
      throw new Error(`${file} holds fewer than ${LEAST_BYTES} bytes: make one with \`openssl rand -hex 32\``)
    return secret
  } catch (error) {
    if (!options.create || !(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    return createSecret(file)
  }
}

async function createSecret(file: string): Promise<Buffer> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const secret = randomBytes(LEAST_BYTES)
  const beside = join(dirname(file), `.root-${randomBytes(8).toString('hex')}`)
  const { O_CREAT, O_EXCL, O_WRONLY } = constants
  try {
    const handle = await open(beside, O_CREAT | O_EXCL | O_WRONLY, 0o600)
    try {
      await handle.writeFile(`${secret.toString('hex')}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } finally {
    await rm(beside, { force: true })
  }
  const directory = await open(dirname(file), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
  return secret
}

/** A key of its own for each purpose. */
export function derivedKey(root: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', root, Buffer.alloc(0), `attache ${purpose}`, 32))
}
