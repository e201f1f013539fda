/** A private OpenStack Swift with its S3 API, from Debian's packages: real servers on free ports of loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { freePort } from './nginx.ts'
import { STORAGE_KINDS, SWIFT_KEYS, type SwiftPorts, swiftFiles } from './swift-files.ts'

export interface Swift {
  version: string
  endpoint: string
  bucket: string
  /** For suites: ATTACHE_TEST_S3_… */
  environment: Record<string, string>
  /** The server that holds the bytes; without it the proxy answers 503 for every object. */
  objects: Server
  stop(): Promise<void>
}

export interface Server {
  /** Resolves when it answers; it keeps its port and its files. */
  start(): Promise<void>
  kill(): Promise<void>
  /** Stops it where it stands: connections are taken and never answered. */
  hang(): void
  goOn(): void
}

const PYTHON = '/usr/bin/python3'
const PACKAGES = ['python3-swift', 'memcached']
const BUCKET = 'attache-test'
const START_MS = 60_000

/** A sentence when there is none here, and none can be had. */
export function swiftMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'Swift is started as root, which gives its servers a user of their own'
  if (isInstalled()) return undefined
  const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  const install = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '-qq', '--no-install-recommends', ...PACKAGES]
  try {
    execFileSync('apt-get', ['update', '-qq'], quiet)
    execFileSync('apt-get', install, quiet)
    return isInstalled() ? undefined : `apt-get installed no ${PACKAGES.join(' ')}`
  } catch {
    return `no Swift here, and apt-get install ${PACKAGES.join(' ')} failed`
  }
}

function isInstalled(): boolean {
  return existsSync('/usr/lib/python3/dist-packages/swift') && existsSync('/usr/bin/memcached')
}

export async function startSwift(): Promise<Swift> {
  const missing = swiftMissing()
  if (missing !== undefined) throw new Error(missing)
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'attache-swift-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const ports = await freePorts()
  await prepare(directory, ports)

  const run = async (name: keyof SwiftPorts, command: string[]) => {
    const server = serverOf(name, { directory, command, port: ports[name] })
    opened.defer(server.kill)
    await server.begin()
    return server
  }
  const memcached = ['memcached', '-l', '127.0.0.1', '-p', String(ports.memcached), '-U', '0', '-m', '64']
  const python = (kind: string) => [PYTHON, join(directory, 'launch.py'), kind, join(directory, `${kind}.conf`), '-v']
  await run('memcached', memcached)
  const storage = await Promise.all(STORAGE_KINDS.map((kind) => run(kind, python(kind))))
  const proxy = await run('proxy', python('proxy'))
  const objects = storage[STORAGE_KINDS.indexOf('object')] as StartedServer
  for (const server of [...storage, proxy]) await server.answers()

  const endpoint = `http://127.0.0.1:${ports.proxy}`
  await createBucket(endpoint)
  const kept = opened.move()
  return {
    version: execFileSync(PYTHON, ['-c', 'import swift; print(swift.__version__)'], { encoding: 'utf8' }).trim(),
    endpoint,
    bucket: BUCKET,
    environment: {
      ATTACHE_TEST_S3_ENDPOINT: endpoint,
      ATTACHE_TEST_S3_REGION: SWIFT_KEYS.region,
      ATTACHE_TEST_S3_BUCKET: BUCKET,
      ATTACHE_TEST_S3_ACCESS_KEY_ID: SWIFT_KEYS.accessKeyId,
      ATTACHE_TEST_S3_SECRET_ACCESS_KEY: SWIFT_KEYS.secretAccessKey,
    },
    objects,
    stop: () => kept.disposeAsync(),
  }
}

async function freePorts(): Promise<SwiftPorts> {
  const ports = { memcached: 0, proxy: 0, account: 0, container: 0, object: 0 }
  for (const name of Object.keys(ports) as (keyof SwiftPorts)[]) ports[name] = await freePort()
  return ports
}

async function prepare(directory: string, ports: SwiftPorts): Promise<void> {
  for (const [name, text] of Object.entries(swiftFiles({ directory, ports }))) {
    await writeFile(join(directory, name), text)
  }
  const rings = STORAGE_KINDS.flatMap((kind) => [kind, String(ports[kind])])
  execFileSync(PYTHON, [join(directory, 'rings.py'), directory, ...rings], { stdio: 'pipe' })
  const device = join(directory, 'srv', 'd1')
  await mkdir(device, { recursive: true })
  const id = (which: string) => Number(execFileSync('id', [which, 'swift'], { encoding: 'utf8' }))
  for (const path of [directory, join(directory, 'srv'), device]) await chown(path, id('-u'), id('-g'))
  await chmod(directory, 0o755)
}

interface StartedServer extends Server {
  begin(): Promise<void>
  answers(): Promise<void>
}

interface ServerOptions {
  directory: string
  command: string[]
  port: number
}

// It drops no privileges of its own without workers; and it ends with this process, however that ends.
const AS_SWIFT = ['--reuid=swift', '--regid=swift', '--clear-groups', '--pdeathsig=KILL', '--']

function serverOf(name: string, { directory, command, port }: ServerOptions): StartedServer {
  const log = join(directory, `${name}.log`)
  let child: ChildProcess | undefined

  async function begin(): Promise<void> {
    const output = await open(log, 'a')
    const env = { PATH: process.env['PATH'], HOME: directory }
    child = spawn('setpriv', [...AS_SWIFT, ...command], { stdio: ['ignore', output.fd, output.fd], env })
    await output.close()
  }

  async function answers(): Promise<void> {
    const deadline = performance.now() + START_MS
    while (!(await isHealthy(port))) {
      if (performance.now() > deadline || child?.exitCode !== null) {
        throw new Error(`the ${name} server of Swift does not answer: ${(await readFile(log, 'utf8')).slice(-2000)}`)
      }
      await pause(50)
    }
  }

  return {
    begin,
    answers,
    async start() {
      await begin()
      await answers()
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
    hang() {
      child?.kill('SIGSTOP')
    },
    goOn() {
      child?.kill('SIGCONT')
    },
  }
}

async function isHealthy(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/healthcheck`).catch(() => undefined)
  await answer?.arrayBuffer()
  return answer?.status === 200
}

async function createBucket(endpoint: string): Promise<void> {
  const { region, ...credentials } = SWIFT_KEYS
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  client.destroy()
}
