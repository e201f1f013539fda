/** Any number of nodes over one PostgreSQL and one S3 store, as an operator sets them up. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newCorporation, type ServingNode, serveNode } from '../node.ts'
import type { Corporation } from '../verbs.ts'

export interface Cluster {
  /** Settings that all nodes share. */
  env: Record<string, string>
  directory: string
  corporation: Corporation
  /** A node with a data directory of its own; the same name gives the same directory. */
  node(name: string, more?: Record<string, string>): Promise<ServingNode>
  /** Ends the nodes that still run, and removes what they had on disk. */
  stop(): Promise<void>
}

const S3 = ['ENDPOINT', 'REGION', 'BUCKET', 'ACCESS_KEY_ID'] as const

/** The engines that `npm run test:engines` brought up; the reason where they are not there. */
export function enginesMissing(): string | undefined {
  const names = ['ATTACHE_TEST_DATABASE_URL', ...S3.map((name) => `ATTACHE_TEST_S3_${name}`)]
  const missing = names.filter((name) => !process.env[name])
  return missing.length === 0 ? undefined : `${missing.join(', ')} not set: npm run test:engines brings the engines up`
}

/** Settings for blobs in the S3 store, under a prefix of their own. */
export async function s3Settings(): Promise<Record<string, string>> {
  const file = join(await mkdtemp(join(tmpdir(), 'attache-s3-')), 's3.secret')
  await writeFile(file, given('S3_SECRET_ACCESS_KEY'), { mode: 0o600 })
  return {
    ATTACHE_BLOBS: 's3',
    ATTACHE_BLOB_PREFIX: `${randomBytes(6).toString('hex')}/`,
    ATTACHE_S3_STYLE: 'path',
    ...Object.fromEntries(S3.map((name) => [`ATTACHE_S3_${name}`, given(`S3_${name}`)])),
    ATTACHE_S3_SECRET_ACCESS_KEY_FILE: file,
  }
}

/** Settings for records in a database of their own. */
export async function databaseSettings(): Promise<Record<string, string>> {
  const file = join(await mkdtemp(join(tmpdir(), 'attache-secret-')), 'root.secret')
  await writeFile(file, randomBytes(32).toString('hex'), { mode: 0o600 })
  const url = await newDatabase(given('DATABASE_URL'))
  return { ATTACHE_DATABASE_URL: url, ATTACHE_DATABASE_TLS: 'off', ATTACHE_ROOT_SECRET_FILE: file }
}

export async function startCluster(more: Record<string, string> = {}): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-cluster-'))
  const env = { ...(await databaseSettings()), ...(await s3Settings()), ...more }
  const verbs = join(directory, 'verbs')
  await mkdir(verbs)
  const nodes: ServingNode[] = []
  return {
    env: { ...env, ATTACHE_DATA: verbs },
    directory,
    corporation: await newCorporation({ ...env, ATTACHE_DATA: verbs }, 'Cluster'),
    async node(name, own = {}) {
      const node = await serveNode({ ...env, ATTACHE_DATA: join(directory, name), ...own })
      nodes.push(node)
      return node
    },
    async stop() {
      for (const node of nodes) await node.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function given(name: string): string {
  const value = process.env[`ATTACHE_TEST_${name}`]
  assert.ok(value, `ATTACHE_TEST_${name} is not set`)
  return value
}

/** A database of its own beside the one that was given. */
async function newDatabase(url: string): Promise<string> {
  const { Client } = await import('pg')
  const name = `cluster_${randomBytes(6).toString('hex')}`
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`create database ${name}`)
  } finally {
    await client.end()
  }
  const own = new URL(url)
  own.pathname = `/${name}`
  return own.href
}
