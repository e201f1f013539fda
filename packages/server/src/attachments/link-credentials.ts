import { hkdfSync, randomBytes } from 'node:crypto'
import { boundedCache } from '../bounded-cache.ts'
import type { SigningKey } from '../oss/authenticate.ts'
import {
  type LinkCredential,
  type LinkKey,
  openToken,
  type SessionCredential,
  sessionCredential,
} from '../oss/credential.ts'
import { OssFailure } from '../oss/failure.ts'
import { type HmacSha1Key, hmacSha1Key } from '../oss/signature.ts'
import type { LinkRecords } from '../records/record-store.ts'

/** A credential with all that signing a link with it needs, laid out once. */
export interface Signer {
  credential: LinkCredential
  hmacSha1: HmacSha1Key
}

export interface LinkCredentialsOptions {
  records: LinkRecords
  rootSecret: Buffer
  now(): number
  /** A permanent pair of the operator's, which then signs every link. */
  permanent?: { accessKeyId: string; accessKeySecret: string } | undefined
  /** Whether links of the demo corporation work. */
  demoAllowed: boolean
}

export interface LinkCredentials {
  /** Signs the links of one corporation. */
  signerOf(corporationId: string): Promise<Signer>
  /** Whose signature a request claims to carry; throws the `OssFailure` that fits, for an ended one when it is confirmed. */
  signingKey(accessKeyId: string, securityToken: string | undefined): SigningKey
  /** The same two without waiting, for session credentials that were used lately. */
  knownSignerOf(corporationId: string): Signer | undefined
  knownKey(accessKeyId: string, securityToken: string): Signer | undefined
  /** Reads key generations and epochs anew: somebody changed them. */
  reload(): Promise<void>
}

interface SessionSigner extends Signer {
  credential: SessionCredential
}

const KNOWN_CORPORATIONS = 10_000

/** Verification touches no store but, behind a signature that is right, for the epoch of a corporation that was not seen lately. */
export async function linkCredentials(options: LinkCredentialsOptions): Promise<LinkCredentials> {
  const { records, now } = options
  const permanent = options.permanent && signerFor(options.permanent)
  const epochs = boundedCache<number>(KNOWN_CORPORATIONS)
  const opened = boundedCache<SessionSigner>(KNOWN_CORPORATIONS)
  const signers = boundedCache<SessionSigner>(KNOWN_CORPORATIONS)
  // Raised by each reload: what was read before then is not kept.
  let reloads = 0
  let keys = await loadKeys()

  async function loadKeys(): Promise<Generation[]> {
    const found = await records.keys()
    return found.map(({ id, salt, retiredAt }) => ({
      key: { id, secret: linkKeySecret(options.rootSecret, salt) },
      retiredAt,
    }))
  }

  const keyOf = (id: number): LinkKey | undefined =>
    keys.find(({ key, retiredAt }) => key.id === id && (retiredAt === null || retiredAt > now()))?.key

  async function epochOf(corporationId: string): Promise<number | undefined> {
    const known = epochs.get(corporationId)
    if (known !== undefined) return known
    const before = reloads
    const corporation = await records.corporation(corporationId)
    if (corporation === undefined || (corporation.demo && !options.demoAllowed)) return undefined
    if (before === reloads) epochs.set(corporationId, corporation.linkEpoch)
    return corporation.linkEpoch
  }

  async function signerOf(corporationId: string): Promise<Signer> {
    if (permanent) return permanent
    const known = signers.get(corporationId)
    if (known) return known
    const before = reloads
    const [newest] = keys
    const epoch = await epochOf(corporationId)
    if (newest === undefined || epoch === undefined)
      throw new Error('a corporation without a key or a record asks for links')
    const signer = signerFor(sessionCredential(newest.key, corporationId, epoch))
    if (before === reloads) signers.set(corporationId, signer)
    return signer
  }

  function signingKey(accessKeyId: string, securityToken: string | undefined): SigningKey {
    const elements = { OSSAccessKeyId: accessKeyId }
    if (permanent && accessKeyId === permanent.credential.accessKeyId) return permanent
    if (!accessKeyId.startsWith('STS.')) throw new OssFailure('InvalidAccessKeyId', { elements })
    if (!securityToken) throw new OssFailure('TokenMissing', { elements })
    const signer = opened.get(securityToken) ?? openSigner(securityToken)
    if (signer === undefined || keyOf(signer.credential.keyId) === undefined) {
      throw new OssFailure('InvalidSecurityToken', { elements: { SecurityToken: securityToken } })
    }
    if (signer.credential.accessKeyId !== accessKeyId) throw new OssFailure('AccessKeyIdAndSecurityTokenNotMatch')
    return { ...signer, confirm: () => refuseEnded(signer.credential) }
  }

  async function refuseEnded({ corporationId, epoch, securityToken }: SessionCredential): Promise<void> {
    if ((await epochOf(corporationId)) !== epoch)
      throw new OssFailure('SecurityTokenExpired', { elements: { SecurityToken: securityToken } })
  }

  function openSigner(securityToken: string): SessionSigner | undefined {
    const credential = openToken(securityToken, keyOf)
    if (credential === undefined) return undefined
    const signer = signerFor(credential)
    opened.set(securityToken, signer)
    return signer
  }

  return {
    signerOf,
    signingKey,
    knownSignerOf: (corporationId) => (permanent ? undefined : signers.get(corporationId)),
    knownKey(accessKeyId, securityToken) {
      const signer = opened.get(securityToken)
      if (signer?.credential.accessKeyId !== accessKeyId) return undefined
      const { keyId, epoch, corporationId } = signer.credential
      return keyOf(keyId) !== undefined && epochs.get(corporationId) === epoch ? signer : undefined
    },
    async reload() {
      keys = await loadKeys()
      reloads++
      for (const cache of [epochs, opened, signers]) cache.clear()
    },
  }
}

/** Makes the first generation where there is none. */
export async function ensureLinkKey(records: LinkRecords, now: number): Promise<void> {
  await records.ensureKey(newSalt(), now)
}

/** Makes one more generation; with `graceMilliseconds` the earlier ones go on that long. */
export async function rotateLinkKey(records: LinkRecords, now: number, graceMilliseconds = 0): Promise<void> {
  await records.rotateKey(newSalt(), now, now + graceMilliseconds)
}

function newSalt(): string {
  return randomBytes(32).toString('hex')
}

interface Generation {
  key: LinkKey
  retiredAt: number | null
}

function linkKeySecret(rootSecret: Buffer, salt: string): Buffer {
  return Buffer.from(hkdfSync('sha256', rootSecret, Buffer.from(salt, 'hex'), 'attache link key', 32))
}

function signerFor<C extends LinkCredential>(credential: C): { credential: C; hmacSha1: HmacSha1Key } {
  return { credential, hmacSha1: hmacSha1Key(credential.accessKeySecret) }
}
