import type { NodeClient, UploadedAttachment } from '@attache/client/node'
import type { Examination } from './examinations.ts'
import { EXIT } from './exit-codes.ts'
import type { Say } from './words.ts'

interface Trip {
  client(): Promise<NodeClient>
  say: Say
  signal: AbortSignal
}

// 1×1, so that there is a thumbnail to ask for.
const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const PICTURE_NAME = 'attache-doctor.png'

/** upload → links → GET → thumbnail. The API has no call that removes an attachment, so one of 70 bytes stays behind. */
export function roundTrip({ client, say, signal }: Trip): Examination[] {
  const found: { uploaded?: UploadedAttachment } = {}
  const bytes = new Uint8Array(Buffer.from(PICTURE, 'base64'))
  const link = async () => {
    const { links } = await (await client()).downloadUrls(found.uploaded ? [found.uploaded] : [], {
      signal,
      expiration: 60,
    })
    return links[0]
  }
  const fix = say({ en: 'tell the operator of the server', zh: '请告知服务器管理员' })
  return [
    {
      name: 'upload',
      needs: ['token'],
      async examine() {
        found.uploaded = await (await client()).upload(bytes, { name: PICTURE_NAME, signal })
        return {
          result: 'ok',
          detail: say({
            en: `${PICTURE_NAME}, ${bytes.length} bytes; it stays there, the API has no way to remove it`,
            zh: `${PICTURE_NAME}，${bytes.length} 字节；API 没有删除接口，文件会保留`,
          }),
        }
      },
    },
    {
      name: 'links',
      needs: ['upload'],
      async examine() {
        if (await link())
          return { result: 'ok', detail: say({ en: 'one asked for, one given', zh: '请求一个，返回一个' }) }
        return {
          result: 'failed',
          detail: say({ en: 'no link for what was just uploaded', zh: '刚上传的附件没有返回链接' }),
          fix,
        }
      },
    },
    {
      name: 'download',
      needs: ['links'],
      exitCode: EXIT.integrity,
      async examine() {
        const back = await (await (await client()).download(found.uploaded ?? { id: '', key: '' }, { signal })).bytes()
        if (Buffer.compare(back, bytes) === 0)
          return { result: 'ok', detail: say({ en: 'the same bytes came back', zh: '取回的字节一致' }) }
        return { result: 'failed', detail: say({ en: 'other bytes came back', zh: '取回的字节不一致' }), fix }
      },
    },
    {
      name: 'thumbnail',
      needs: ['links'],
      async examine() {
        const response = await fetch((await link())?.thumbUrl ?? '', { signal })
        await response.body?.cancel()
        const type = response.headers.get('content-type') ?? ''
        const detail = `${response.status} ${type}`
        return response.ok && type.startsWith('image/') ? { result: 'ok', detail } : { result: 'failed', detail, fix }
      },
    },
  ]
}
