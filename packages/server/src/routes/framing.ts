import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Failure } from '../errors.ts'
import { failureBody } from './control-failures.ts'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

// The newest request on each connection.
const underWay = new WeakMap<Socket, Exchange>()

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** Refuses a body whose end another parser could see elsewhere: `identity, chunked` passes Node's. */
export function plainlyFramed(handler: RequestListener): RequestListener {
  return (request, response) => {
    underWay.set(request.socket, { request, response })
    if (hasBody(request)) {
      const encoding = request.headers['transfer-encoding']
      if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') return refuseUnreadable({}, request.socket)
    }
    return handler(request, response)
  }
}

/** What Node's parser could not read has no request to answer, only a connection. */
export function refuseUnreadable({ code }: { code?: string }, socket: Socket): void {
  if (socket.writable && code !== 'ECONNRESET' && !isAnswered(socket)) {
    const body = JSON.stringify(failureBody(new Failure('MalformedRequest')))
    const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}`
    socket.write(`${head}\r\nConnection: close\r\n\r\n${body}`)
  }
  socket.destroySoon()
}

/**
 * Whether an answer has begun that is not over, or that is to a request whose body this is: a second one would be taken for
 * a part of the first, or for that of the next request.
 */
function isAnswered(socket: Socket): boolean {
  const { request, response } = underWay.get(socket) ?? {}
  return response?.headersSent === true && !(request?.complete && response.writableFinished)
}
