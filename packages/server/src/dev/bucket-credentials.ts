import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { SigningKey } from '../oss/authenticate.ts'
import type { LinkCredential } from '../oss/credential.ts'
import { OssFailure } from '../oss/failure.ts'
import { hmacSha1Key } from '../oss/signature.ts'

/** Credentials of the development mode's store, which open nothing else. */
export interface BucketCredentials {
  permanent: { accessKeyId: string; accessKeySecret: string }
  /** One that dies so many seconds from now. */
  session(seconds: number): BucketSession
  /** For `authenticate`. */
  signingKey(accessKeyId: string, securityToken: string | undefined): SigningKey
}

export interface BucketSession {
  accessKeyId: string
  accessKeySecret: string
  securityToken: string
  /** Unix time in milliseconds. */
  diesAt: number
}

const MOST_SESSIONS = 1000

export function bucketCredentials(now: () => number): BucketCredentials {
  const permanent = { accessKeyId: `LTAI${letters(16)}`, accessKeySecret: letters(30) }
  const signer = signerOf(permanent)
  const sessions = new LRUCache<string, BucketSession>({ max: MOST_SESSIONS })

  return {
    permanent,
    session(seconds) {
      const diesAt = (Math.floor(now() / 1000) + seconds) * 1000
      const securityToken = randomBytes(96).toString('base64')
      const session = { accessKeyId: `STS.${letters(25)}`, accessKeySecret: letters(43), securityToken, diesAt }
      sessions.set(securityToken, session)
      return session
    },
    signingKey(accessKeyId, securityToken) {
      const elements = { OSSAccessKeyId: accessKeyId }
      if (accessKeyId === permanent.accessKeyId) return signer
      if (!accessKeyId.startsWith('STS.')) throw new OssFailure('InvalidAccessKeyId', { elements })
      if (!securityToken) throw new OssFailure('TokenMissing', { elements })
      const session = sessions.get(securityToken)
      if (session === undefined) throw new OssFailure('InvalidSecurityToken')
      if (session.accessKeyId !== accessKeyId) throw new OssFailure('AccessKeyIdAndSecurityTokenNotMatch')
      if (now() >= session.diesAt) throw new OssFailure('SecurityTokenExpired')
      return signerOf(session)
    },
  }
}

function signerOf(credential: LinkCredential): SigningKey {
  return { credential, hmacSha1: hmacSha1Key(credential.accessKeySecret) }
}

function letters(length: number): string {
  return randomBytes(length).toString('base64').replace(/[+/=]/g, 'x').slice(0, length)
}
