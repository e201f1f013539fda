import { createHmac, timingSafeEqual } from 'node:crypto'

/** One generation of the key that all link credentials are derived from. */
export interface LinkKey {
  id: number
  secret: Buffer
}

/**
 * A pair that signs links, and whose links they are. A session credential belongs to one corporation and dies with its
 * revocation epoch; a permanent pair (a setting) has neither corporation nor token.
 */
export interface LinkCredential {
  accessKeyId: string
  accessKeySecret: string
  securityToken?: string
  corporationId?: string
}

export interface SessionCredential extends LinkCredential {
  securityToken: string
  corporationId: string
  epoch: number
  keyId: number
}

const VERSION = 1
const HEAD = 9
const MAC = 16

/** Derives the one session credential of a corporation's epoch: every node that holds `key` derives the same. */
export function sessionCredential(key: LinkKey, corporationId: string, epoch: number): SessionCredential {
  const head = Buffer.alloc(HEAD)
  head.writeUInt8(VERSION, 0)
  head.writeUInt32BE(key.id, 1)
  head.writeUInt32BE(epoch, 5)
  const facts = Buffer.concat([head, Buffer.from(corporationId, 'utf8')])
  const mac = derive(key, 'token', facts).subarray(0, MAC)
  const accessKeyId = `STS.${derive(key, 'id', facts).toString('base64').replace(/[+/=]/g, 'x').slice(0, 25)}`
  return {
    accessKeyId,
    accessKeySecret: derive(key, 'secret', facts).toString('base64url'),
    securityToken: Buffer.concat([facts, mac]).toString('base64'),
    corporationId,
    epoch,
    keyId: key.id,
  }
}

/** The credential that a token belongs to, or `undefined` when we never made that token or its key is gone. */
export function openToken(token: string, keyOf: (id: number) => LinkKey | undefined): SessionCredential | undefined {
  const bytes = Buffer.from(token, 'base64')
  if (bytes.length <= HEAD + MAC || bytes.readUInt8(0) !== VERSION || bytes.toString('base64') !== token)
    return undefined
  const key = keyOf(bytes.readUInt32BE(1))
  if (key === undefined) return undefined
  const facts = bytes.subarray(0, -MAC)
  if (!timingSafeEqual(derive(key, 'token', facts).subarray(0, MAC), bytes.subarray(-MAC))) return undefined
  return sessionCredential(key, facts.toString('utf8', HEAD), bytes.readUInt32BE(5))
}

function derive(key: LinkKey, purpose: string, facts: Buffer): Buffer {
  return createHmac('sha256', key.secret).update(`attache-link-${purpose}\0`).update(facts).digest()
}
