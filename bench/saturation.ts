/**
 * What saturates first at 10, 100 and 1,000 nodes: `npm run saturation` prints it. Measures here what one node and one PostgreSQL spend
 * on each part of a call, and divides; nothing is simulated beyond that. A call is a request for one link and one download
 * of 1 MB, with a token of its own or with one that its caller keeps.
 */
import { Client } from 'pg'
import { postgresMissing, startPostgres } from '../test/engines/postgres.ts'
import { type Attache, asked, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import { inLanes } from './lanes.ts'
import { pathOf } from './links.ts'
import { type AskedRequest, type Load, loadOn } from './load.ts'
import { nodesOver } from './nodes.ts'
import { LONG, short } from './rounds.ts'
import { openStage, type Stage } from './stage.ts'

const CORES_A_NODE = 2
const CONNECTIONS_A_NODE = 10
// What a load balancer in front of all nodes passes on: 40 Gbit/s.
const EGRESS_BYTES_A_SECOND = 5e9
const DOWNLOAD_BYTES = 1_000_000
// Each node looks for changes every 250 ms.
const LOOKS_A_SECOND = 4
const CALLERS = 32
const NODES = [10, 100, 1000]
// As in production: test/engines/postgres.ts leaves them off.
const DURABLE = ['fsync = on', 'synchronous_commit = on', 'full_page_writes = on', 'max_connections = 100']

interface Measured {
  /** CPU seconds of a node. */
  token: number
  link: number
  download: number
  /** Of PostgreSQL for one token: a durable commit, fewer where many tokens are asked for at once. */
  tokenTransactions: number
  /** Of PostgreSQL. */
  commitsPerSecond: number
  readsPerSecond: number
  bytesPerLink: number
}

async function measure(stage: Stage): Promise<Measured> {
  const missing = postgresMissing()
  if (missing !== undefined) throw new Error(missing)
  const postgres = await startPostgres({ settings: DURABLE })
  try {
    const [node] = await nodesOver(stage, { url: postgres.url, count: 1 })
    if (node === undefined) throw new Error('no node was started')
    return { ...(await nodeCosts(stage, node, postgres.url)), ...(await databaseRates(postgres.url)) }
  } finally {
    await postgres.stop()
  }
}

async function nodeCosts(stage: Stage, node: Attache, url: string) {
  const { appKey, appSecurity } = node
  const [item] = await uploadMany(node, 1, new Uint8Array(DOWNLOAD_BYTES))
  if (item === undefined) throw new Error('nothing was uploaded')
  const [link] = await node.links([item])
  const loaded = async (request: AskedRequest) => {
    const load = await loadOn(stage, { url: node.url, requests: [request], connections: 16 })
    await load(1)
    const { cpuPerUnit = Number.NaN, ...sample } = await withCpu<Load & { cpuPerUnit?: number }>(
      node.pid,
      load,
    )(LONG.seconds)
    return { ...sample, cpuPerUnit }
  }
  const path = '/api/openapi/v1/auth/getAccessToken'
  const before = await transactions(url)
  const tokens = await loaded({ method: 'POST', path, body: JSON.stringify({ appKey, appSecurity }) })
  // The second of warm-up counts as well.
  const tokenTransactions = ((await transactions(url)) - before) / (tokens.rate * (LONG.seconds + 1))
  const links = await loaded({ method: 'POST', path: node.downloadUrls, body: JSON.stringify(asked([item])) })
  const downloads = await loaded({ method: 'GET', path: pathOf(link?.url ?? '') })
  return {
    token: tokens.cpuPerUnit,
    link: links.cpuPerUnit,
    download: downloads.cpuPerUnit,
    tokenTransactions,
    bytesPerLink: links.bytesPerSecond / links.rate,
  }
}

// A backend of PostgreSQL that has nothing more to do tells what it did after ten seconds.
const TOLD_SECONDS = 11

async function transactions(url: string): Promise<number> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('select pg_sleep($1)', [TOLD_SECONDS])
    const { rows } = await client.query('select xact_commit from pg_stat_database where datname = current_database()')
    return Number(rows[0].xact_commit)
  } finally {
    await client.end()
  }
}

/** As `pgbench -N` and `pgbench -S` do, in one table of our own: a durable insert, and a read by primary key. */
async function databaseRates(url: string): Promise<Pick<Measured, 'commitsPerSecond' | 'readsPerSecond'>> {
  const clients = Array.from({ length: CALLERS }, () => new Client({ connectionString: url }))
  await Promise.all(clients.map((client) => client.connect()))
  try {
    await clients[0]?.query('create table saturation (id bigserial primary key, hash text not null)')
    const rateOf = async (name: string, text: string) => {
      const free = [...clients]
      const { rate } = await inLanes(CALLERS, LONG.seconds, async () => {
        const client = free.pop()
        await client?.query({ name, text })
        if (client) free.push(client)
      })
      return rate
    }
    const commitsPerSecond = await rateOf('insert', `insert into saturation (hash) values (repeat('h', 43))`)
    const readsPerSecond = await rateOf('read', 'select hash from saturation where id = 7')
    return { commitsPerSecond, readsPerSecond }
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

interface Kind {
  name: string
  tokens: number
  streams: boolean
}

const KINDS: readonly Kind[] = [
  { name: 'a token each call, streamed', tokens: 1, streams: true },
  { name: 'tokens kept, streamed', tokens: 0, streams: true },
  { name: 'tokens kept, redirected to the store', tokens: 0, streams: false },
]

/** Calls a second that each part allows. A redirect costs a node what a link does. */
function limitsOf(measured: Measured, nodes: number, { tokens, streams }: Kind) {
  const { token, link, download, tokenTransactions, commitsPerSecond, bytesPerLink } = measured
  return {
    cpu: (nodes * CORES_A_NODE) / (tokens * token + link + (streams ? download : link)),
    commits: commitsPerSecond / (tokens * tokenTransactions),
    egress: EGRESS_BYTES_A_SECOND / (bytesPerLink + (streams ? DOWNLOAD_BYTES : 0)),
  }
}

function rowOf(measured: Measured, nodes: number, kind: Kind): string {
  const limits = Object.values(limitsOf(measured, nodes, kind))
  const least = Math.min(...limits)
  const shown = limits.map((calls) => (calls === least ? `**${twoDigits(calls)}**` : twoDigits(calls)))
  return `| ${[nodes.toLocaleString('en'), kind.name, ...shown].join(' | ')} |`
}

function twoDigits(calls: number): string {
  return Number.isFinite(calls) ? Number(calls.toPrecision(2)).toLocaleString('en') : '–'
}

await using stage = await openStage()
const measured = await measure(stage)
const micro = (seconds: number) => `${short(seconds * 1_000_000)} µs`
console.log(
  `A node: token ${micro(measured.token)} and ${short(measured.tokenTransactions)} transactions, link ${micro(measured.link)} and ` +
    `${short(measured.bytesPerLink)} bytes, download of 1 MB ${micro(measured.download)}. PostgreSQL: ${short(measured.commitsPerSecond)} ` +
    `durable commits/s, ${short(measured.readsPerSecond)} reads/s by ${CALLERS} callers.\n`,
)
console.log('| nodes | calls | CPU of the nodes | commits of PostgreSQL | egress of 40 Gbit/s |\n|---|---|---|---|---|')
for (const nodes of NODES) for (const kind of KINDS) console.log(rowOf(measured, nodes, kind))
for (const nodes of NODES) {
  const share = ((nodes * LOOKS_A_SECOND) / measured.readsPerSecond) * 100
  const connections = (nodes * CONNECTIONS_A_NODE).toLocaleString('en')
  console.log(
    `\n${nodes.toLocaleString('en')} nodes: ${connections} connections, ${share.toFixed(1)} % of reads look for changes`,
  )
}
