export interface Row {
  id: string
  /** M must hold, S should. */
  level: 'M' | 'S'
  target: string
  /** Its target is a time or an amount of memory, which other work on the machine spoils. */
  measures?: true
  /** Why there is no program for it yet. */
  waits?: string
}

const CONSOLE = 'waits for the console'

const MEASURES = new Set(['B3', 'C5', 'D3', 'D4', 'E4', 'E5', 'F1', 'F2', 'F4'])

/** The scorecard. The program of a row is the file here whose name begins with its id. */
export const ROWS: readonly Row[] = [
  must(
    'A1',
    'kill -9 amid mixed uploads: 0 acknowledged lost, 0 partial visible, 0 wrong bytes; ready ≤ 2 s with 100,000 rows; no temporary files',
  ),
  must('A2', 'power loss amid uploads: the same zeros'),
  must(
    'A3',
    'every write, fsync, rename and open of an upload fails once: never 200 with a bad object, no crash loop; a failed fsync: 5xx, read-only, /readyz 503, until one works again',
  ),
  must(
    'A4',
    'full disk: some uploads succeed, the others are refused < 1 s, nothing partial, reads and links go on, recovery without a restart',
  ),
  must('A5', 'database restarted or locked amid load: 0 acknowledged lost, failures 503 within 2 s, recovery ≤ 3 s'),
  must('A6', 'answer to a COMMIT lost: no duplicate row or blob'),
  must(
    'A7',
    'object store (S3, Alibaba OSS) fails, stalls or cuts: ≤ 3 tries, answered ≤ 10 s, never a cut body as whole, a stalled one cut ≤ 35 s',
  ),
  must('A8', 'readers amid uploads and removals see all of a file or nothing'),
  should(
    'A9',
    'crash in a migration at every statement: the next start completes it to the same schema (none was released before it: upgrade and rolling start not shown)',
  ),
  should('A10', 'backup amid writes, then restore: every row has its bytes; verify finds 50 of 50 planted faults'),
  should(
    'A11',
    'bit rot on GET: up to 64 KiB, and of a thumbnail’s source, 5xx, logged, counted, never cached; above 64 KiB the bytes come as 200 with the Content-MD5 of the right ones, verify finds them; a cut blob cuts the connection',
  ),
  must('B1', '100,000 tampered URLs: 0 accepted; 10,000 valid: all'),
  must('B2', 'signatures compared in constant time: |t| < 4.5 over 10⁶ pairs'),
  must('B3', 'signature checked before any store; unknown key and bad signature alike, ± 1 ms'),
  must(
    'B4',
    'expiry exact to the second on the clock of the node that is asked; ≥ requested − 1 s on the signer’s where clocks agree to 1 s; a clock stepped back revives no link',
  ),
  must('B5', 'revocation and removal ≤ 1 s'),
  must('B6', 'ranges and conditions as RFC 9110 has them'),
  must('C1', '5,000 hostile keys: 0 reads or writes outside the root, 0 answers 5xx'),
  must('C2', 'names: bad ones 400 with the published sentence, others byte-exact to the end'),
  must('C3', 'Content-Disposition of 10⁴ random names: one header, read back equal by others'),
  must('C4', 'response-* overrides only when signed, values checked'),
  must(
    'C5',
    '1,000 malformed forms: no crash, ≤ 1 s, nothing left, memory ≤ +32 MB beyond what ordinary uploads bring it to',
  ),
  must(
    'D1',
    'stored scripts in Chromium: 0 run on our origin, a PDF’s own script reaches nothing; protecting headers on every object',
  ),
  should('D1-console', 'previews in the console run no script', CONSOLE),
  must(
    'D2',
    'type by bytes against type by name: what is served is harmless, though no record says that they differ; scanned, EICAR is refused, and all while the scanner is gone',
  ),
  must(
    'D3',
    '40 hostile images: ≤ 5 s, renderer ≤ 512 MB, server ≤ +64 MB, p99 of downloadurls during the storm ≤ 3 × idle p99; 200 slow ones at once: queue ≤ 64, then 503 with Retry-After',
  ),
  must('D4', '1,000 requests for one thumbnail: 1 rendering; its failure never hurts the original'),
  should('D5', 'EXIF and GPS are not in thumbnails'),
  must('E1', 'every route × foreign, mixed and removed ids: 0 leaks'),
  must('E2', 'tokens ≥ 128 bits, stored hashed; a dump of the database holds no usable secret'),
  must('E3', 'random tokens: 0 hits; > 20 bad secrets a minute: 429; the limiter is bounded'),
  must('E4', 'slow clients, writing and reading: p99 of others ≤ 2 × idle, slow writers cut ≤ 20 s'),
  must(
    'E5',
    '30 MiB kept, a byte more 412; oversized bodies and batches refused fast, depths in ≤ 5 ms; loop lag p99 ≤ 50 ms',
  ),
  must('E6', 'request smuggling: 400 and close'),
  must('E7', 'X-Forwarded-* only from named addresses'),
  should('E8', 'quotas of a corporation'),
  must('E9', 'login and forms of the console', CONSOLE),
  must('E10', 'a model in memory and the service agree through 10,000 steps, restarts and crashes among them'),
  must(
    'F1',
    'SIGTERM under 200 uploads and 50 downloads: not ready at once, 0 failed, exit 0 ≤ 20 s; a second signal ends it ≤ 1 s',
  ),
  must(
    'F2',
    '500 slow readers of 30 MB: RSS ≤ +150 MB; stalled ones cut 60 s after their sockets took the last byte; 200 slow writers: ≤ +100 MB over as many quick ones, ≤ +200 MB over a fresh start; no descriptor left',
  ),
  must('F3', 'clients that leave at a random byte: file descriptors ± 5, no temporary file'),
  should('F4', 'soak: RSS slope ≤ 1 MB/min, descriptors and threads flat, loop lag p99 ≤ 50 ms'),
  must('F5', 'canary secrets in every place, made to fail: 0 in logs, metrics, error bodies, crash output'),
  must('F6', 'line breaks and escapes in names: one JSON line each'),
  must('F7', 'a throw anywhere: 500 with an id and no stack, the process lives'),
  must('F8', '≤ 120 production packages, allowed licences, pinned, no addresses in the lockfile'),
  must('F9', 'a bad setting: exit 2 and the fix; secrets from files; data 0700, files 0600'),
  should('F10', 'a node of two killed at random: 0 acknowledged lost'),
  should(
    'F11',
    '128 file descriptors beside those of an idle server: as many served as fit, the others 503, then recovery',
  ),
]

function must(id: string, target: string, waits?: string): Row {
  return rowOf({ id, level: 'M', target }, waits)
}

function should(id: string, target: string, waits?: string): Row {
  return rowOf({ id, level: 'S', target }, waits)
}

function rowOf(row: Row, waits: string | undefined): Row {
  return {
    ...row,
    ...(waits !== undefined && { waits }),
    ...(MEASURES.has(row.id) && { measures: true }),
  }
}
