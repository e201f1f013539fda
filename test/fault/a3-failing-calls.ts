/** A3: each write, fsync, rename and open of an upload fails once, in the thread of files and in that of SQLite. */
import { hash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, bytesOf, formOf, postForm, startAttache, statusOf, type Uploaded } from '../server.ts'
import { verb } from '../verbs.ts'
import { needStrace, type Seen, threadsOf, underFault } from './injection.ts'
import { row, type Stage } from './stage.ts'

const CALLS = ['write', 'pwrite64', 'fsync', 'rename', 'openat']
const ERRORS = ['EIO', 'ENOSPC', 'EINTR']
const THREADS = ['files', 'main'] as const

type Outcome = 'kept' | 'refused' | 'cut'

interface Target {
  nth: number
  /** One of the runtime's own need not come again. */
  ofFiles: boolean
}

interface Case extends Target {
  call: string
  error: string
  thread: (typeof THREADS)[number]
}

// What the runtime does between two calls may differ from one upload to the next.
const MOST_TRIES = 3
const WATCHED = 3
const HUNG_MS = 5000
const RECOVERY_MS = 10_000
const BETWEEN_MS = 200

await row('A3', async (stage) => {
  await needStrace()
  const show = await opened(stage)
  for (const thread of THREADS) {
    for (const call of CALLS) {
      const targets = await show.watched(thread, call)
      for (const error of ERRORS) {
        for (const target of targets) await show.fail({ call, error, thread, ...target })
      }
    }
  }
  return show.verdict()
})

async function opened(stage: Stage) {
  const data = join(stage.directory, 'data')
  const bytes = randomBytes(100_000)
  const sha256 = hash('sha256', bytes)
  const count = { planned: 0, hit: 0, injected: 0, onFiles: 0, kept: 0, refused: 0, cut: 0, recovered: 0, restarts: 0 }
  const faults: string[] = []
  let token = ''
  let attache: Attache
  await start()
  stage.defer(() => attache.kill())

  async function start(): Promise<void> {
    attache = await startAttache({ data, env: { UV_THREADPOOL_SIZE: '1' } })
    token = await attache.token()
    // From here on nothing happens for the first time.
    await sent(formOf('first.bin', bytes))
  }

  async function sent(form: FormData): Promise<{ outcome: Outcome; status: number; uploaded?: Uploaded }> {
    const answer = await inTime(postForm(attache.url, token, form)).catch(() => undefined)
    const body = answer && (await inTime(answer.text()).catch(() => undefined))
    if (answer === undefined || body === undefined) return { outcome: 'cut', status: 0 }
    if (answer.status !== 200) return { outcome: 'refused', status: answer.status }
    return { outcome: 'kept', status: 200, uploaded: JSON.parse(body).value }
  }

  /** Which calls each upload makes: of some uploads the fewest. What comes now and then, as a checkpoint does, can't be planned. */
  async function watched(thread: Case['thread'], call: string): Promise<Target[]> {
    const seen: Target[][] = []
    while (seen.length < WATCHED) seen.push(await watchedOnce(thread, call))
    return seen.reduce((fewest, one) => (one.length < fewest.length ? one : fewest))
  }

  /** Those about files; in the long form the runtime's own as well. */
  async function watchedOnce(thread: Case['thread'], call: string): Promise<Target[]> {
    const { seen } = await underFault(threadsOf(attache.pid)[thread], { call }, uploadOnce)
    const targets = seen.map(({ text }, index) => ({ nth: index + 1, ofFiles: isOfFiles(text) }))
    return targets.filter(({ ofFiles }) => stage.full || ofFiles)
  }

  async function uploadOnce() {
    const answer = await sent(formOf('under fault.bin', bytes))
    // The audit log is written behind the answer.
    await pause(20)
    return answer
  }

  async function fail(one: Case): Promise<void> {
    if (one.ofFiles) count.planned++
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      if (!(await failOnce(one))) continue
      if (one.ofFiles) count.hit++
      return
    }
  }

  /** Whether the call came, and so failed. */
  async function failOnce(one: Case): Promise<boolean> {
    const { call, error, thread, nth } = one
    const { value, seen } = await underFault(threadsOf(attache.pid)[thread], { call, error, nth }, uploadOnce)
    const hit = seen.find(({ injected }) => injected)
    if (hit) count.injected++
    if (hit && isOfFiles(hit.text)) count.onFiles++
    count[value.outcome]++
    const what = `${error} at ${call} ${nth} of ${thread} (${hit?.text ?? 'never came'})`
    const wrong = (fault: string) => {
      faults.push(fault)
      console.log(`${what}: ${fault}`)
    }
    if (value.uploaded && !(await isWhole(value.uploaded))) wrong('200, and a bad object')
    if (value.outcome === 'refused' && value.status < 500) wrong(`answered ${value.status}`)
    if (value.outcome === 'cut' && (!hit || isOfFiles(hit.text))) wrong('no answer')
    if (!(await isAlive())) {
      if (hit && isOfFiles(hit.text)) wrong('the process died')
      await again()
    } else if (hit && call === 'fsync' && !madeAgain(one, value.outcome)) await readOnly(value.status, wrong)
    else if ((await sent(formOf('after.bin', bytes))).outcome !== 'kept') wrong('the next upload fails too')
    return hit !== undefined
  }

  /** After a failed fsync nothing is written for a while, and then again without a restart. */
  async function readOnly(status: number, wrong: (fault: string) => void): Promise<void> {
    if (status < 500) wrong(`a failed fsync is answered ${status}`)
    const next = await sent(formOf('next.bin', bytes))
    if (next.status !== 503) wrong(`the upload after it is answered ${next.status}`)
    const ready = await statusOf(`${attache.url}/readyz`)
    if (ready !== 503) wrong(`/readyz answers ${ready}`)
    const deadline = performance.now() + RECOVERY_MS
    while ((await sent(formOf('again.bin', bytes))).outcome !== 'kept') {
      if (performance.now() > deadline) return wrong('uploads do not begin again')
      await pause(BETWEEN_MS)
    }
    count.recovered++
  }

  async function again(): Promise<void> {
    count.restarts++
    await attache.kill()
    await start()
  }

  const isAlive = () =>
    inTime(statusOf(`${attache.url}/livez`)).then(
      (status) => status === 200,
      () => false,
    )

  async function isWhole(uploaded: Uploaded): Promise<boolean> {
    const answer = await fetch((await attache.linkOf(uploaded)).url)
    return answer.status === 200 && hash('sha256', await bytesOf(answer)) === sha256
  }

  async function verdict() {
    await again()
    const { code, stdout } = await verb(['verify'], { env: { ATTACHE_DATA: data } })
    if (code !== 0) faults.push(stdout)
    const { planned, hit, injected, onFiles, kept, refused, cut, recovered, restarts } = count
    const figure = `${hit} of ${planned} planned calls failed (${onFiles} on files, ${injected - onFiles} of the runtime itself): ${kept} kept whole, ${refused} refused 5xx, ${cut} cut, ${recovered} times read-only and well again, ${restarts} restarts; ${faults.length} faults${faults[0] ? `, the first: ${faults[0]}` : ''}; verify ${code === 0 ? 'finds all whole' : 'finds damage'}`
    return { ok: faults.length === 0 && planned > 0 && hit === planned, figure }
  }

  return { watched, fail, verdict }
}

/** A process whose runtime lost a call may hang: that counts as dead. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = pause(HUNG_MS, undefined, { ref: false }).then(() => {
    throw new Error('hung')
  })
  return Promise.race([answer, late])
}

/** An interrupted call did not fail: libuv makes it again by itself. */
function madeAgain({ error }: Case, outcome: Outcome): boolean {
  return error === 'EINTR' && outcome === 'kept'
}

function isOfFiles(text: Seen['text']): boolean {
  return /^openat|^rename|^\w+\(\d+<\//.test(text)
}
