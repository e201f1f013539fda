/** The least that a POST answered by node:http can take: the body read to its end, and the same answer to everybody. */
import { createServer } from 'node:http'

export interface ConstantQuestion {
  /** JSON. */
  body: string
}

export interface ConstantAnswer {
  url: string
}

process.on('message', ({ body }: ConstantQuestion) => {
  const bytes = Buffer.from(body)
  const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': bytes.length }
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(200, headers).end(bytes))
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port is free')
    process.send?.({ url: `http://127.0.0.1:${address.port}` } satisfies ConstantAnswer)
  })
})
