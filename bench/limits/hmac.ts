/** The least that downloadurls can take: two HMAC-SHA1 in base64 per item, through node:crypto, and nothing else. */
import { createHmac } from 'node:crypto'

export interface HmacQuestion {
  seconds: number
  secret: string
  /** What is signed, two of them for one item. */
  texts: string[]
}

export interface HmacAnswer {
  /** Items a second. */
  rate: number
}

const AT_A_TIME = 1000

process.on('message', ({ seconds, secret, texts }: HmacQuestion) => {
  const started = performance.now()
  let signed = 0
  let length = 0
  while (performance.now() - started < seconds * 1000) {
    for (let i = 0; i < AT_A_TIME; i++) {
      length += createHmac('sha1', secret)
        .update(texts[signed++ % texts.length] ?? '')
        .digest('base64').length
    }
  }
  if (length !== signed * 28) throw new Error('a signature has 28 characters')
  process.send?.({ rate: signed / 2 / ((performance.now() - started) / 1000) } satisfies HmacAnswer)
})
