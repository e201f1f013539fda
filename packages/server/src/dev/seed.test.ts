import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PATHS } from '@attache/protocol'
import { ConfigError } from '../errors.ts'
import { callsOf } from './dev.fixture.ts'
import { startAttache } from './testing.ts'

const directory = await mkdtemp(join(tmpdir(), 'attache-seed-'))
after(() => rm(directory, { recursive: true }))
await writeFile(join(directory, 'invoice.txt'), '从文件来')

async function seedFile(seed: unknown): Promise<string> {
  const file = join(directory, `${crypto.randomUUID()}.json`)
  await writeFile(file, typeof seed === 'string' ? seed : JSON.stringify(seed))
  return file
}

const SEED = {
  corporations: [{ id: 'acme', name: '某公司', apps: [{ appKey: 'acme-app', appSecurity: 'acme-secret' }] }],
  attachments: [
    { name: '发票.txt', file: './invoice.txt' },
    { name: 'b.bin', base64: 'AAEC' },
    { name: '发票.txt', text: 'acme的', corporation: 'acme' },
  ],
  documents: [
    {
      form: {
        code: 'B26000077',
        title: '差旅',
        attachments: ['发票.txt'],
        details: [{ feeTypeForm: { attachments: ['b.bin'] } }],
      },
      logs: [{ attachments: ['b.bin'] }],
      receipts: ['发票.txt'],
      commit: true,
    },
    { corporation: 'acme', form: { title: 'x', attachments: ['发票.txt'] } },
  ],
}

test('a seed gives apps, attachments and documents, which a reset brings back', async () => {
  await using attache = await startAttache({ seed: await seedFile(SEED) })
  const calls = callsOf(attache)
  const acme = callsOf({ ...attache, appKey: 'acme-app', appSecurity: 'acme-secret' })
  for (const round of ['first', 'after a reset']) {
    const found = await fetch(`${attache.url}${PATHS.documentByCode}?accessToken=${await calls.token()}&code=B26000077`)
    assert.equal(found.status, 200, round)
    const { value } = (await found.json()) as { value: { id: string; logs: { attachments: { fileName: string }[] }[] } }
    assert.equal(value.logs[0]?.attachments[0]?.fileName, 'b.bin')
    const listed = await calls.post(`${PATHS.documentAttachments}?accessToken=${await calls.token()}`, {
      flowIds: [value.id],
    })
    const { items } = (await listed.json()) as { items: { attachmentList: { type: string }[] }[] }
    assert.deepEqual(
      items[0]?.attachmentList.map(({ type }) => type),
      ['flow.body', 'flow.free', 'flow.approving', 'flow.receipt'],
    )
    const [body] = (items[0]?.attachmentList ?? []) as unknown as { attachmentUrls: { url: string }[] }[]
    assert.equal(await (await fetch(body?.attachmentUrls[0]?.url ?? '')).text(), '从文件来')
    const own = await fetch(`${attache.url}${PATHS.documentByCode}?accessToken=${await acme.token()}&code=B26000001`)
    assert.equal(own.status, 200)
    await attache.reset()
  }
})

const attachments = [{ name: 'a.txt', text: 'x' }]
const WRONG: [string, unknown, RegExp][] = [
  ['no JSON', '{"attachments": [}', /is no JSON/],
  ['a list', [], /object/],
  ['an unknown field', { attachmnets: [] }, /attachmnets: no such field/],
  [
    'an unknown field further in',
    { attachments: [{ name: 'a', text: '', colour: 1 }] },
    /attachments\[0\]\.colour: no such field/,
  ],
  ['a wrong type', { attachments: [{ name: 1, text: '' }] }, /attachments\[0\]\.name: /],
  ['a bad name', { attachments: [{ name: 'a?.txt', text: '' }] }, /attachments\[0\]\.name: .*U\+003F/],
  ['no bytes', { attachments: [{ name: 'a' }] }, /attachments\[0\]: give exactly one of/],
  [
    'two sorts of bytes',
    { attachments: [{ name: 'a', text: '', base64: '' }] },
    /attachments\[0\]: give exactly one of/,
  ],
  ['no base64', { attachments: [...attachments, { name: 'b', base64: '!!' }] }, /attachments\[1\]\.base64: /],
  ['a file that is not there', { attachments: [{ name: 'a', file: 'none' }] }, /attachments\[0\]\.file: ENOENT/],
  ['a name twice', { attachments: [...attachments, ...attachments] }, /attachments\[1\]\.name: a second/],
  [
    'an unknown corporation',
    { attachments: [{ name: 'a', text: '', corporation: 'x' }] },
    /attachments\[0\]\.corporation: /,
  ],
  ['a corporation without an app', { corporations: [{ id: 'x', apps: [] }] }, /corporations\[0\]\.apps: /],
  [
    'an appKey twice',
    { corporations: [{ id: 'x', apps: [1, 2].map(() => ({ appKey: 'k', appSecurity: 's' })) }] },
    /corporations\[0\]\.apps\[1\]\.appKey: /,
  ],
  ['no form', { documents: [{}] }, /documents\[0\]\.form: is missing/],
  [
    'an unknown attachment',
    { attachments, documents: [{ form: { attachments: ['a.txt', 'b'] } }] },
    /documents\[0\]\.form\.attachments\[1\]: .*b$/,
  ],
  [
    'a wrong triple',
    { documents: [{ form: { attachments: [{ key: 'x', fileId: 'y' }] } }] },
    /documents\[0\]\.form\.attachments\[0\]: /,
  ],
  ['a code twice', { documents: [{ form: { code: 'B1' } }, { form: { code: 'B1' } }] }, /documents\[1\]: /],
]
for (const [what, seed, expected] of WRONG) {
  test(`refuses a seed with ${what}, and names the place`, async () => {
    await assert.rejects(startAttache({ seed: await seedFile(seed) }), (error) => {
      assert.ok(error instanceof ConfigError, String(error))
      assert.match(error.message, expected)
      return error.message.startsWith('--seed: ')
    })
  })
}
