import assert from 'node:assert/strict'
import { it } from 'node:test'
import { pino } from 'pino'
import { isoTimes, redacted, withoutSecrets } from './logging.ts'

it('lets no secret through, however an error spells it', () => {
  const canary = 'cAnArY+/=1'
  const spellings = [
    `/x?a=1&accessToken=${canary}&b=2`,
    `{"appSecurity":"${canary}"}`,
    `{\\"refreshToken\\": \\"${canary}\\"}`,
    `Authorization: Bearer ${canary}`,
    `authorization: OSS STS.x:${canary}`,
    `?Signature=${encodeURIComponent(canary)}&security-token=${canary}`,
    `url=%3FaccessToken%3D${canary}`,
    `/path%253FSignature%253D${canary}%2526security-token%25253D${canary}`,
    `Cookie: ${canary}`,
  ]
  const lines: string[] = []
  const logger = pino({}, withoutSecrets({ write: (line) => lines.push(line) }))
  for (const spelling of spellings) {
    logger.error({ err: new Error(spelling, { cause: { nested: spelling } }), more: { deep: spelling } }, spelling)
    logger.flush()
  }
  assert.equal(lines.length, spellings.length)
  for (const line of lines) {
    assert.doesNotMatch(line, /cAnArY/)
    JSON.parse(line)
  }
})

it('leaves other lines as they are', () => {
  const line = '{"path":"/api/openapi/v1/auth/getAccessToken","status":200}\n'
  assert.equal(redacted(line), line)
})

it('spells each time as it is, however often it is asked', () => {
  const timeOf = isoTimes()
  for (const ms of [0, 0, 1, 1_792_800_000_123, 1_792_800_000_123, 1])
    assert.equal(timeOf(ms), new Date(ms).toISOString())
})
