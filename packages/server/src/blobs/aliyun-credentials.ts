/** What requests are signed with; nothing of it but the id may stand in a log or an error. */
export interface AliyunCredential {
  accessKeyId: string
  accessKeySecret: string
  securityToken?: string
  /** Unix time in milliseconds; a permanent pair has none. */
  diesAt?: number
}

export interface AliyunCredentials {
  current(): Promise<AliyunCredential>
  /** OSS does not take this one though it should live. Whether another one may be had at once. */
  refused(credential: AliyunCredential): boolean
}

export interface AssumedRoleOptions {
  /** Asks STS for a new one. */
  take(): Promise<AliyunCredential & { diesAt: number }>
  /** Unix time in milliseconds. */
  now(): number
}

export function permanentPair(accessKeyId: string, accessKeySecret: string): AliyunCredentials {
  const credential = { accessKeyId, accessKeySecret }
  return { current: async () => credential, refused: () => false }
}

// Ahead of the death of a credential, but no more than this part of its life.
const AHEAD_MS = 5 * 60_000
const AHEAD_PART = 1 / 6
// Between tries while the old one still lives, and between one that was refused and the next.
const PAUSE_MS = 10_000

/**
 * Credentials of a role, asked for once for all who wait, and anew ahead of their death: meanwhile the old ones serve,
 * and where STS fails they serve to their end.
 */
export function assumedRole({ take, now }: AssumedRoleOptions): AliyunCredentials {
  let held: { credential: AliyunCredential; takenAt: number; renewAt: number; diesAt: number } | undefined
  let taking: Promise<AliyunCredential> | undefined
  let pausedUntil = 0

  async function takeNew(): Promise<AliyunCredential> {
    const credential = await take()
    const { diesAt } = credential
    const takenAt = now()
    held = { credential, takenAt, diesAt, renewAt: diesAt - Math.min(AHEAD_MS, (diesAt - takenAt) * AHEAD_PART) }
    return credential
  }

  function renew(): Promise<AliyunCredential> {
    taking ??= takeNew().finally(() => {
      taking = undefined
    })
    return taking
  }

  return {
    async current() {
      const time = now()
      if (held === undefined || time >= held.diesAt) return renew()
      if (time >= held.renewAt && time >= pausedUntil) {
        pausedUntil = time + PAUSE_MS
        // Told when the old ones are dead and no others are to be had.
        renew().catch(() => {})
      }
      return held.credential
    },
    refused(credential) {
      if (held?.credential !== credential) return true
      if (now() - held.takenAt < PAUSE_MS) return false
      held = undefined
      return true
    },
  }
}
