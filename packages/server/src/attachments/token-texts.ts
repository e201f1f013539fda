import { hash } from 'node:crypto'
import { randomTexts } from './random-texts.ts'

/** Of an access token and of a refresh token: 192 bits. */
const CHANCE_BYTES = 24
const CHANCE_LENGTH = 32
/** Milliseconds in base 36, in which texts sort as times until the year 5188. */
const TIME_LENGTH = 9

/**
 * An access token names the millisecond of its issue before its chance. What it is found by begins with the same, so that
 * tokens of one time lie side by side in the database: a commit of 30 of them writes 11 pages and not 48, and those that
 * expire together are removed together.
 */
export function tokenTexts() {
  const chance = randomTexts(CHANCE_BYTES)
  return (at: number): { accessToken: string; refreshToken: string } => ({
    accessToken: at.toString(36).padStart(TIME_LENGTH, '0') + chance(),
    refreshToken: chance(),
  })
}

/** What is kept of an access token. Those of earlier releases name no time. */
export function tokenHashOf(accessToken: string): string {
  const time = accessToken.length === TIME_LENGTH + CHANCE_LENGTH ? accessToken.slice(0, TIME_LENGTH) : ''
  return time + hashOf(accessToken)
}

export function hashOf(token: string): string {
  return hash('sha256', token, 'base64url')
}
