/** F7: every method of the stores, every hook of a request and a timer throws; what the caller sees, and whether the process lives. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { createApp } from '../../packages/server/src/commands/app.ts'
import { readConfig } from '../../packages/server/src/config.ts'
import { createService } from '../../packages/server/src/service.ts'
import { openStores } from '../../packages/server/src/stores.ts'
import { environment, PROGRAM, startAttache, statusOf } from '../server.ts'
import { allRoutes } from './all-routes.ts'
import { row, type Stage } from './stage.ts'
import { type Manner, type Switch, throwingStores } from './throwing-stores.ts'

const WORDS = 'the words of a fault'
const HOOKS = [
  'onRequest',
  'preParsing',
  'preValidation',
  'preHandler',
  'preSerialization',
  'onSend',
  'onResponse',
] as const
// Given to the server's Node: a timer of nobody's that throws.
const PRELOAD = `process.on('SIGWINCH', () => setTimeout(() => { throw new Error('${WORDS}') }, 1))`
type Hook = (typeof HOOKS)[number]

await row('F7', async (stage) => {
  const faults: string[] = []
  const inside = await insideOneProcess(stage, faults)
  const outside = await inATimer(stage, faults)
  for (const fault of faults.slice(0, 20)) console.log(fault)
  const figure = `${inside.cases} faults in ${inside.methods} methods of the stores and ${HOOKS.length} hooks under ${inside.requests} kinds of requests: ${inside.answered} answered 5xx with an id, ${inside.cut} cut, ${inside.passed} without harm to the answer; ${outside}; ${faults.length} wrong`
  return { ok: faults.length === 0 && inside.answered > 0, figure }
})

async function insideOneProcess(stage: Stage, faults: string[]) {
  const control: Switch = { called: new Map(), armed: undefined, hits: 0, words: WORDS }
  const log: string[] = []
  const on = await listening(stage, control, log)
  process.on('unhandledRejection', (reason) => {
    const { method, manner } = control.armed ?? { method: on.hooks.armed, manner: '' }
    faults.push(`${method} ${manner}: nobody catches it, which would end the process`)
    console.log(reason)
  })
  const count = { cases: 0, answered: 0, cut: 0, passed: 0, methods: 0, requests: on.requests.length }
  for (const ask of on.requests) await ask()
  // Opening and the chores call more than requests do.
  const methods = [...control.called].filter(([name]) => !name.endsWith('.close'))
  count.methods = methods.length

  async function judge(what: string, hitsOf: () => number): Promise<void> {
    for (const ask of on.requests) {
      const before = hitsOf()
      const answer = await ask().catch(() => undefined)
      if (hitsOf() === before) continue
      count.cases++
      if (answer === undefined) count.cut++
      else if (answer.status < 400) count.passed++
      else {
        count.answered++
        if (answer.status < 500) faults.push(`${what}: ${answer.status}`)
        if (answer.id === undefined) faults.push(`${what}: no request id`)
        if (/\bat .*:\d+|node_modules|\.ts\b/.test(answer.body) || answer.body.includes(WORDS))
          faults.push(`${what}: ${answer.body}`)
      }
    }
  }

  for (const [method, isAsync] of methods) {
    const manners: Manner[] = [
      'throws',
      ...(isAsync ? (['rejects'] as const) : []),
      ...(method === 'blobs.read' ? (['breaks off'] as const) : []),
    ]
    for (const manner of manners) {
      control.armed = { method, manner }
      await judge(`${method} ${manner}`, () => control.hits)
      control.armed = undefined
      if ((await statusOf(`${on.url}/readyz`)) !== 200) faults.push(`${method} ${manner}: not ready afterwards`)
    }
  }
  for (const hook of HOOKS) {
    on.hooks.armed = hook
    await judge(hook, () => on.hooks.hits)
    on.hooks.armed = undefined
  }
  for (const ask of on.requests) {
    const { status } = await ask()
    if (status !== 200 && status !== 206) faults.push(`afterwards a request is answered ${status}`)
  }
  if (!log.some((line) => line.includes(WORDS) && line.includes('"stack"'))) faults.push('no fault is logged whole')
  return count
}

interface Answer {
  status: number
  id: string | undefined
  body: string
}

async function listening(stage: Stage, control: Switch, log: string[]) {
  const data = await mkdtemp(join(stage.directory, 'inside-'))
  const config = readConfig({ ATTACHE_DATA: data, ATTACHE_PORT: '0', ATTACHE_HOT_CACHE_MIB: '0' })
  const sink = new Writable({
    write(line, _encoding, done) {
      log.push(String(line))
      done()
    },
  })
  const hooks: { armed: Hook | undefined; hits: number } = { armed: undefined, hits: 0 }
  const failed = new WeakSet<object>()
  const attach = (app: FastifyInstance) => {
    for (const hook of HOOKS) {
      app.addHook(hook as 'onRequest', async (request) => {
        // Once for each request: one that fails for its own answer too leaves the frame no way to say anything else.
        if (hooks.armed !== hook || failed.has(request)) return
        failed.add(request)
        hooks.hits++
        throw new Error(WORDS)
      })
    }
  }
  const service = await createService({
    config,
    logger: pino({ level: 'debug' }, sink),
    demoAllowed: false,
    open: async () => throwingStores(await openStores(config, { serving: true }), control),
    extend: () => ({ owns: () => false, attach }),
  })
  stage.defer(() => service.close())
  const app = await createApp(service.stores, { corporationId: 'c', corporationName: 'C', demo: false })
  const url = await service.listen()
  const asks = await allRoutes({ url, ...app })
  const requests = asks.map((ask) => async (): Promise<Answer> => {
    const answer = await ask()
    const body = await answer.text()
    // HEAD has its error in a header.
    const told = body + Buffer.from(answer.headers.get('x-oss-err') ?? '', 'base64').toString()
    const id = answer.headers.get('x-request-id') ?? /[0-9A-F]{24}/.exec(told)?.[0]
    return { status: answer.status, id, body }
  })
  return { url, requests, hooks }
}

/** Nobody catches it: the process says so, lets requests in flight end, and exits with another code than 0. */
async function inATimer(stage: Stage, faults: string[]): Promise<string> {
  const preload = join(stage.directory, 'preload.mjs')
  await writeFile(preload, PRELOAD)
  const data = join(stage.directory, 'timer')
  const env = environment({ ATTACHE_DATA: data, NODE_OPTIONS: `--import=${preload}` })
  const child = spawn(process.execPath, [PROGRAM, 'start', '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  stage.defer(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const said = text(child.stderr)
  await once(child.stdout, 'data')
  const started = performance.now()
  child.kill('SIGWINCH')
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const [code] = await ended
  clearTimeout(late)
  const ms = Math.round(performance.now() - started)
  const words = await said
  if (!words.includes('"level":60') || !words.includes(WORDS))
    faults.push(`an uncaught throw is not logged as fatal: ${words}`)
  if (!code) faults.push(`an uncaught throw ends the process with ${code}`)
  const again = await startAttache({ data })
  await again.stop()
  return `a throw in a timer is logged as fatal and ends the process with ${code} after ${ms} ms, and the next start works`
}
