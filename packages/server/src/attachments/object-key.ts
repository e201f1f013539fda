import { randomBytes } from 'node:crypto'

const MAX_NAME_BYTES = 255
const FORBIDDEN = /[?\\/*<>:"|\x00-\x1f\x7f-\x9f]/

/** The contract's rule for the `name` of an upload: what is wrong with it, for `errorDetails`; `undefined` when it is good. */
export function faultOfName(name: string): string | undefined {
  if (name === '') return '不能为空'
  if (name === '.' || name === '..') return '不能为.或..'
  const found = FORBIDDEN.exec(name)
  if (found) return `不能包含字符${codePointOf(found[0])}（第${[...name.slice(0, found.index)].length + 1}个字符）`
  if (!name.isWellFormed()) return '必须为UTF-8编码'
  const bytes = Buffer.byteLength(name)
  return bytes > MAX_NAME_BYTES ? `不能超过${MAX_NAME_BYTES}字节（UTF-8），现为${bytes}字节` : undefined
}

/** Such as `U+003F "?"`; what can't be shown by its number alone. */
function codePointOf(character: string): string {
  const number = `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  return /[\x20-\x7e]/.test(character) ? `${number} "${character}"` : number
}

/** The shape is the contract's: callers cut the name out after the fifth hyphen and use the whole as a file name. */
export function objectKey(uuid: string, name: string): string {
  return `openapi${uuid}-${name}`
}

/** The name as callers cut it out; empty when the key isn't one of ours. */
export function nameOfKey(key: string): string {
  return key.split('-').slice(5).join('-')
}

const TIME_BYTES = 6
const RANDOM_BYTES = 10

/**
 * 22 characters of `A–Z a–z 0–9 _ -`: the millisecond, then 80 random bits. Ids of one time share a prefix, so an index
 * grows at one end. The top bit of the time stays 0 (until the year 6429), so an id never begins with `-`, which command
 * lines would take for an option.
 */
export function newFileId(nowMs: number, random: (size: number) => Uint8Array = randomBytes): string {
  const bytes = Buffer.alloc(TIME_BYTES + RANDOM_BYTES)
  bytes.writeUIntBE(nowMs % 2 ** 47, 0, TIME_BYTES)
  bytes.set(random(RANDOM_BYTES), TIME_BYTES)
  return bytes.toString('base64url')
}

/** 32 lower-case hexadecimal digits that nobody can guess. */
export function newBlobId(): string {
  return randomBytes(16).toString('hex')
}
