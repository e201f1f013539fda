/** The real service as the model's commands meet it: inside this process on real stores, or as a process that is killed. */
import { cpSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../../packages/server/src/commands/app.ts'
import { readConfig } from '../../packages/server/src/config.ts'
import { openStores, type Stores } from '../../packages/server/src/stores.ts'
import { type Answer, type Asked, openInside } from '../fault/b-inside.ts'
import { serveNode } from '../node.ts'
import { CORPORATIONS } from './model.ts'

export interface Credentials {
  corporationId: string
  appKey: string
  appSecurity: string
}

export interface System extends AsyncDisposable {
  credentials: Map<string, Credentials>
  ask(asked: Asked): Promise<Answer>
  port(): number
  /** Stores on the same data, beside the service: what an operator's verbs open. */
  stores(): Stores
  setClock(now: number): void
  directory(): string
  /** With grace. */
  restart(): Promise<void>
  /** Without: what is not on disk by now is lost. */
  crash(): Promise<void>
}

/** In this process, by a clock of its own. A crash goes on with a copy of the files as they lie at that moment. */
export async function insideSystem(start: number): Promise<System> {
  const clock = { now: start }
  const env = { ATTACHE_DURABILITY: 'relaxed', ATTACHE_LOG_LEVEL: 'error' }
  let directory = await mkdtemp(join(tmpdir(), 'attache-model-'))
  const open = () => openInside({ directory, env, now: () => clock.now })
  let on = await open()
  const credentials = await corporations(on.service.stores)
  return {
    credentials,
    ask: (asked) => on.ask(asked),
    port: () => on.port,
    stores: () => on.service.stores,
    directory: () => directory,
    setClock(now) {
      clock.now = now
    },
    async restart() {
      await on.close()
      on = await open()
    },
    async crash() {
      const copy = await mkdtemp(join(tmpdir(), 'attache-model-'))
      // At one moment: nothing of this process writes to the database meanwhile.
      cpSync(directory, copy, { recursive: true })
      on.service.app.server.closeAllConnections()
      await on.close()
      await rm(directory, { recursive: true })
      directory = copy
      on = await open()
    },
    async [Symbol.asyncDispose]() {
      await on.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** A process of its own, by the clock of the machine; a crash is SIGKILL. */
export async function spawnedSystem(): Promise<System> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-model-'))
  const env = { ATTACHE_DATA: directory }
  const config = readConfig(env)
  const open = () => serveNode(env)
  let node = await open()
  const stores = await openStores(config, { serving: false })
  const credentials = await corporations(stores)
  const port = () => Number(new URL(node.own).port)
  return {
    credentials,
    port,
    ask: (asked) => asking(asked, port()),
    stores: () => stores,
    directory: () => directory,
    setClock() {},
    async restart() {
      await node.stop()
      node = await open()
    },
    async crash() {
      await node.kill()
      node = await open()
    },
    async [Symbol.asyncDispose]() {
      await node.kill()
      await stores[Symbol.asyncDispose]()
      await rm(directory, { recursive: true })
    },
  }
}

async function asking({ method = 'GET', url, headers, payload }: Asked, port: number): Promise<Answer> {
  const body = payload === undefined || payload instanceof Uint8Array ? payload : JSON.stringify(payload)
  const type: Record<string, string> = typeof body === 'string' ? { 'content-type': 'application/json' } : {}
  const init = {
    method,
    headers: { ...type, ...headers },
    ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
  }
  const response = await fetch(`http://127.0.0.1:${port}${url}`, init)
  const rawPayload = Buffer.from(await response.arrayBuffer())
  const text = rawPayload.toString()
  const answered = Object.fromEntries(response.headers)
  return {
    asked: { url },
    statusCode: response.status,
    headers: answered,
    rawPayload,
    body: text,
    json: () => JSON.parse(text),
  }
}

async function corporations(stores: Stores): Promise<Map<string, Credentials>> {
  const made = new Map<string, Credentials>()
  for (const corporationId of CORPORATIONS) {
    made.set(corporationId, await createApp(stores, { corporationId, corporationName: corporationId, demo: false }))
  }
  return made
}
