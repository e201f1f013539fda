/** A6: the connection to PostgreSQL is cut, or falls silent, after COMMIT was sent and before its answer: under a store, and under whole uploads. */
import { row } from './stage.ts'
import { suites } from './suites.ts'

await row('A6', () =>
  suites({
    files: ['packages/server/src/records/postgres-answers.engine.ts', 'test/engines/lost-answer.engine.ts'],
  }),
)
