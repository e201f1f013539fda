import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { stage } from './client.fixture.ts'
import { run } from './package.fixture.ts'

describe('behind a forward proxy', () => {
  it('goes through it when NODE_USE_ENV_PROXY says so', async () => {
    await using on = await stage()
    const asked: string[] = []
    // A proxy is asked for a plain http URL in absolute form (RFC 9112, 3.2.2).
    const proxy = createServer((incoming, outgoing) => {
      const { method = '', url = '', headers } = incoming
      asked.push(new URL(url).host)
      const onward = request(url, { method, headers }, (answered) => {
        outgoing.writeHead(answered.statusCode ?? 502, answered.headers)
        answered.pipe(outgoing)
      })
      incoming.pipe(onward)
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const { appKey, appSecurity } = on.service.app
    const program = join(on.directory, 'caller.ts')
    const source = JSON.stringify(new URL('./node.ts', import.meta.url).href)
    await writeFile(
      program,
      `import { createClient } from ${source}
       const client = createClient(JSON.parse(process.argv[2] ?? ''))
       const uploaded = await client.upload(new Uint8Array(1000), { name: 'a.bin' })
       console.log((await (await client.download(uploaded)).bytes()).length)`,
    )
    const through = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const env = { PATH: process.env['PATH'], NODE_USE_ENV_PROXY: '1', HTTP_PROXY: through, NO_PROXY: '' }
    const { stdout } = await run(
      process.execPath,
      [program, JSON.stringify({ baseUrl: on.proxy.url, appKey, appSecurity })],
      { env, timeout: 20_000 },
    )
    assert.equal(stdout, '1000\n')
    assert.deepEqual(asked, Array(4).fill(new URL(on.proxy.url).host))
    proxy.closeAllConnections()
    proxy.close()
  })
})
