/** F10: two nodes over PostgreSQL and an object store behind nginx; one of them is killed, again and again. */
import { row } from './stage.ts'
import { suites } from './suites.ts'

await row('F10', ({ full }) =>
  suites({ files: ['test/engines/nodes.engine.ts'], env: { KILLS: full ? '50' : '20' }, says: /kills|died/ }),
)
