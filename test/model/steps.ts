/** One step of the service and of its model, held against each other. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { form } from '../../packages/server/src/service.fixture.ts'
import type { Answer } from '../fault/b-inside.ts'
import { until } from '../server.ts'
import {
  type Asked,
  answered,
  endOfLink,
  isCodeTaken,
  type KnownAttachment,
  type KnownDocument,
  type KnownToken,
  type Model,
  refreshedUntil,
  statusOfLink,
  TOKEN_LIFE_MS,
  usable,
} from './model.ts'
import type { System } from './system.ts'

export interface Both {
  model: Model
  real: System
}

/** A number for what is to be chosen from a list that only the model knows. */
export type Choice = number

export function chosen<T>(list: readonly T[], choice: Choice): T | undefined {
  return list[choice % Math.max(1, list.length)]
}

export async function issue({ model, real }: Both, corporation: string): Promise<KnownToken> {
  const { appKey = '', appSecurity = '' } = real.credentials.get(corporation) ?? {}
  const answer = await real.ask({ method: 'POST', url: PATHS.getAccessToken, payload: { appKey, appSecurity } })
  assert.equal(answer.statusCode, 200, answer.body)
  return keepToken(model, corporation, answer, model.now + TOKEN_LIFE_MS)
}

function keepToken(model: Model, corporation: string, answer: Answer, expiresAt: number): KnownToken {
  const { accessToken, refreshToken, expireTime, corporationId } = answer.json().value
  assert.equal(corporationId, corporation)
  if (model.movable) assert.equal(expireTime, expiresAt)
  const token = { corporation, accessToken, refreshToken, expiresAt, replaced: false }
  model.tokens.push(token)
  return token
}

/** A usable token of the corporation, a new one where there is none. */
async function tokenOf(both: Both, corporation: string): Promise<string> {
  const { model } = both
  const known = model.tokens.findLast((token) => token.corporation === corporation && usable(model, token))
  return (known ?? (await issue(both, corporation))).accessToken
}

export async function refresh({ model, real }: Both, choice: Choice, days: number): Promise<void> {
  const old = chosen(model.tokens, choice)
  if (old === undefined) return
  const query = `accessToken=${old.accessToken}&refreshToken=${old.refreshToken}&expireDate=${days}`
  const answer = await real.ask({ method: 'POST', url: `${PATHS.refreshTokenExpireDate}?${query}` })
  assert.equal(answer.statusCode, usable(model, old) ? 200 : 403)
  if (answer.statusCode !== 200) return
  keepToken(model, old.corporation, answer, refreshedUntil(model, days))
  old.replaced = true
}

export async function useToken({ model, real }: Both, choice: Choice): Promise<void> {
  const token = chosen(model.tokens, choice)
  if (token === undefined) return
  const answer = await real.ask({
    method: 'POST',
    url: `${PATHS.downloadUrls}?accessToken=${token.accessToken}`,
    payload: [],
  })
  assert.equal(answer.statusCode, usable(model, token) ? 200 : 403)
}

export async function upload(
  both: Both,
  corporation: string,
  { name, bytes }: { name: string; bytes: Buffer },
): Promise<void> {
  const parts = form([
    { field: 'name', value: name },
    { field: 'file', value: bytes },
  ])
  const url = `${PATHS.upload}?accessToken=${await tokenOf(both, corporation)}`
  const answer = await both.real.ask({ method: 'POST', url, ...parts })
  assert.equal(answer.statusCode, 200, answer.body)
  const { key, fileId, fileName, empty } = answer.json().value
  assert.deepEqual([fileName, empty], [name, bytes.length === 0])
  both.model.attachments.push({ corporation, fileId, key, bytes, linkEpoch: 0, removed: false })
}

export async function askLinks(both: Both, corporation: string, asked: readonly Asked[]): Promise<void> {
  const { model, real } = both
  const refs = asked.map(({ idOf, keyOf, expiration }) => ({
    id: idOf?.fileId ?? 'nobody',
    key: keyOf?.key ?? 'nothing',
    expiration,
  }))
  const url = `${PATHS.downloadUrls}?accessToken=${await tokenOf(both, corporation)}`
  const answer = await real.ask({ method: 'POST', url, payload: refs })
  assert.equal(answer.statusCode, 200, answer.body)
  const links: { id: string; key: string; url: string }[] = answer.json()
  const expected = answered(asked, corporation)
  assert.deepEqual(
    links.map(({ id, key }) => [id, key]),
    expected.map(({ idOf }) => [idOf?.fileId, idOf?.key]),
  )
  for (const [index, link] of links.entries()) {
    const { idOf: attachment, expiration } = expected[index] as Asked & { idOf: KnownAttachment }
    const expiresAt = Number(/Expires=(\d+)/.exec(link.url)?.[1]) * 1000
    if (model.movable) assert.equal(expiresAt, endOfLink(model, expiration))
    const { keyGeneration, epochs } = model
    const facts = { keyGeneration, corporationEpoch: epochs.get(corporation) ?? 0, linkEpoch: attachment.linkEpoch }
    model.links.push({ ...facts, attachment, corporation, url: link.url.replace(/^https?:\/\/[^/]+/, ''), expiresAt })
  }
}

export async function follow(
  { model, real }: Both,
  choice: Choice,
  { tampered, first }: { tampered: boolean; first: number | undefined },
): Promise<void> {
  const link = chosen(model.links, choice)
  if (link === undefined) return
  const { bytes } = link.attachment
  const headers: Record<string, string> = first === undefined ? {} : { range: `bytes=${first}-` }
  const url = tampered ? link.url.replace(/Expires=(\d+)/, (_, at) => `Expires=${Number(at) + 1}`) : link.url
  const answer = await real.ask({ url, headers })
  const status = tampered ? 403 : statusOfLink(model, link)
  if (status !== 200 || first === undefined) {
    assert.equal(answer.statusCode, status, answer.body)
    if (status === 200) assert.ok(answer.rawPayload.equals(bytes), 'other bytes')
  } else if (first >= bytes.length) assert.equal(answer.statusCode, 416)
  else {
    assert.equal(answer.statusCode, 206)
    assert.ok(answer.rawPayload.equals(bytes.subarray(first)), 'other bytes')
  }
}

export type Operation = 'revoke a corporation' | 'revoke an attachment' | 'remove an attachment' | 'rotate the key'

/** What operators do beside the service; it has heard of it when it has heard of what was done after it. */
export async function operate(both: Both, operation: Operation, choice: Choice): Promise<void> {
  const { model, real } = both
  const { records, blobs } = real.stores()
  const at = model.now
  const corporation = choice % 2 === 0 ? 'north' : 'south'
  const attachment = chosen(model.attachments, choice)
  await upload(both, corporation, { name: 'witness.txt', bytes: Buffer.from('witness') })
  const witness = model.attachments.at(-1) as KnownAttachment
  await askLinks(both, corporation, [{ idOf: witness, keyOf: witness, expiration: 3600 }])
  const url = model.links.at(-1)?.url ?? ''
  assert.equal((await real.ask({ url })).statusCode, 200)
  if (operation === 'revoke a corporation') {
    await records.links.raiseEpoch(corporation, at)
    model.epochs.set(corporation, (model.epochs.get(corporation) ?? 0) + 1)
  } else if (operation === 'rotate the key') {
    await records.links.rotateKey(randomBytes(32).toString('hex'), at, at)
    model.keyGeneration++
  } else if (attachment && operation === 'revoke an attachment') {
    await records.attachments.revokeLinks(attachment.fileId, at)
    if (!attachment.removed) attachment.linkEpoch++
  } else if (attachment) {
    const removed = await records.attachments.remove(attachment.fileId, at)
    assert.equal(removed === undefined, attachment.removed)
    if (removed) await blobs.remove(removed.blobId)
    attachment.removed = true
  }
  if (!witness.removed) await records.attachments.remove(witness.fileId, at)
  witness.removed = true
  await until(5000, async () =>
    (
      await real.ask({
        method: 'POST',
        url: `${PATHS.downloadUrls}?accessToken=${await tokenOf(both, corporation)}`,
        payload: [{ id: witness.fileId, key: witness.key, expiration: 1 }],
      })
    ).json().length === 0
      ? true
      : undefined,
  )
}

export async function createDocument(
  both: Both,
  corporation: string,
  { code, title, attachments }: Pick<KnownDocument, 'title' | 'attachments'> & { code: string | undefined },
): Promise<void> {
  const { model, real } = both
  const url = `${PATHS.createDocument}?accessToken=${await tokenOf(both, corporation)}`
  const answer = await real.ask({ method: 'POST', url, payload: { form: formOf({ title, attachments }, code) } })
  const foreign = attachments.some((each) => each.corporation !== corporation || each.removed)
  const taken = code !== undefined && isCodeTaken(model, corporation, code)
  assert.equal(answer.statusCode, foreign || taken ? 400 : 200, answer.body)
  if (answer.statusCode !== 200) return
  const { id: flowId, version, form: stored } = answer.json().flow
  if (code !== undefined) assert.equal(stored.code, code)
  assert.ok(!isCodeTaken(model, corporation, stored.code), `${stored.code} came twice`)
  model.documents.push({ corporation, flowId, code: stored.code, title, attachments, version, removed: false })
}

function formOf(
  { title, attachments }: Pick<KnownDocument, 'title' | 'attachments'>,
  code: string | undefined,
): object {
  const triples = attachments.map(({ key, fileId }) => ({ key, fileId }))
  return { ...(code === undefined ? {} : { code }), title, attachments: triples }
}

export async function updateDocument(both: Both, choice: Choice, title: string): Promise<void> {
  const { model, real } = both
  const document = chosen(model.documents, choice)
  if (document === undefined) return
  const path = PATHS.updateDocument.replace(':dollarFlowId', `$${document.flowId}`)
  const url = `${path}?editFlag=increment&accessToken=${await tokenOf(both, document.corporation)}`
  const answer = await real.ask({ method: 'PUT', url, payload: { form: { title } } })
  assert.equal(answer.statusCode, document.removed ? 412 : 200, answer.body)
  if (document.removed) return
  document.title = title
  document.version++
  assert.equal(answer.json().flow.version, document.version)
}

export async function readDocument(
  both: Both,
  choice: Choice,
  { byCode, foreign }: { byCode: boolean; foreign: boolean },
): Promise<void> {
  const { model, real } = both
  const document = chosen(model.documents, choice)
  if (document === undefined) return
  const other = document.corporation === 'north' ? 'south' : 'north'
  const reader = foreign ? other : document.corporation
  const token = await tokenOf(both, reader)
  const url = byCode ? `${PATHS.documentByCode}?code=${document.code}` : `${PATHS.document}?flowId=${document.flowId}`
  const answer = await real.ask({ url: `${url}&accessToken=${token}` })
  const expected =
    foreign && byCode
      ? model.documents.find((each) => each.corporation === other && each.code === document.code)
      : foreign
        ? undefined
        : document
  if (expected === undefined || expected.removed) {
    const sentence = expected === undefined ? '单据不存在' : '单据已删除'
    assert.deepEqual([answer.statusCode, answer.json().errorMessage], [412, sentence])
    return
  }
  const { form: stored, version } = answer.json().value
  assert.deepEqual([stored.title, version], [expected.title, expected.version])
  assert.deepEqual(
    stored.attachments.map(({ key }: KnownAttachment) => key),
    expected.attachments.map(({ key }) => key),
  )
}

export async function removeDocument({ model, real }: Both, choice: Choice): Promise<void> {
  const document = chosen(model.documents, choice)
  if (document === undefined) return
  await real.stores().records.documents.remove(document.corporation, document.code, model.now)
  document.removed = true
}

/** Half of an upload is on its way when it happens: it was never acknowledged, so it never was. */
export async function crash(both: Both, amidUpload: boolean): Promise<void> {
  const { real } = both
  if (!amidUpload) return real.crash()
  const token = await tokenOf(both, 'north')
  const before = await blobCount(real)
  const socket = connect(real.port(), '127.0.0.1')
  socket.on('error', () => {})
  const start =
    '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nhalf.bin\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
  const head = `POST ${PATHS.upload}?accessToken=${token} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n`
  socket.write(head + start + 'x'.repeat(100_000))
  await until(5000, async () => ((await readdir(join(real.directory(), 'tmp'))).length > 0 ? true : undefined))
  await real.crash()
  socket.destroy()
  assert.deepEqual(await readdir(join(real.directory(), 'tmp')), [], 'half an upload stayed in tmp/')
  assert.equal(await blobCount(real), before, 'half an upload became a blob')
}

async function blobCount(real: System): Promise<number> {
  const entries = await readdir(join(real.directory(), 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).length
}
