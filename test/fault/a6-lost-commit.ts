/** A6: the connection to PostgreSQL is cut, or falls silent, after COMMIT was sent and before its answer. */
import { row } from './stage.ts'
import { suites } from './suites.ts'

await row('A6', () => suites({ files: ['packages/server/src/records/postgres-answers.engine.ts'] }))
