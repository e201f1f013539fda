/** The real stores behind a switch that makes one method of theirs throw, reject, or break off a body. */
import { Readable } from 'node:stream'
import type { Stores } from '../../packages/server/src/stores.ts'

export type Manner = 'throws' | 'rejects' | 'breaks off'

export interface Switch {
  /** Such as `records.attachments.byKey`; of all that were called so far. Whether it answers with a promise, and so can reject. */
  called: Map<string, boolean>
  /** What fails, from now on. */
  armed: { method: string; manner: Manner } | undefined
  /** How often it did. */
  hits: number
  /** Of the errors. */
  words: string
}

export function throwingStores(stores: Stores, control: Switch): Stores {
  return {
    ...stores,
    records: around(stores.records, 'records', control),
    blobs: around(stores.blobs, 'blobs', control),
    [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose](),
  }
}

function around<T extends object>(target: T, path: string, control: Switch): T {
  return new Proxy(target, {
    get(from, name) {
      const value: unknown = Reflect.get(from, name)
      const method = `${path}.${String(name)}`
      if (typeof value === 'object' && value !== null) return around(value, method, control)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => called(() => Reflect.apply(value, from, args), method, control)
    },
  })
}

function called(call: () => unknown, method: string, control: Switch): unknown {
  const { armed, words } = control
  if (armed?.method !== method) {
    const answer = call()
    control.called.set(method, answer instanceof Promise)
    return answer
  }
  control.hits++
  const error = new Error(words)
  if (armed.manner === 'throws') throw error
  if (armed.manner === 'rejects') return Promise.reject(error)
  return Promise.resolve(call()).then((answer) =>
    answer instanceof Readable || answer instanceof Uint8Array ? brokenOff(answer, error) : answer,
  )
}

function brokenOff(body: Readable | Uint8Array, error: Error): Readable {
  return Readable.from(
    (async function* () {
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        yield chunk.subarray(0, Math.ceil(chunk.length / 2))
        throw error
      }
    })(),
  )
}
