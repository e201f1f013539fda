import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyContract } from './copy.contract.ts'
import { sqlite } from './dialects.ts'

copyContract('SQLite', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'attache-copy-')), 'records.sqlite')
  return () => sqlite({ file, durability: 'relaxed' })
})
