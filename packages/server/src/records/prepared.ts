import type { CompiledQuery, QueryResult } from 'kysely'
import type { Database } from './tables.ts'

interface Compilable<Row> {
  compile(): CompiledQuery<Row>
}

/**
 * A query that is built once and run often, with the parameters in the order in which it names them: to build one takes
 * longer than SQLite takes to run it.
 */
export function prepared<Row>(query: Compilable<Row>) {
  const compiled = query.compile()
  return (db: Database, parameters: readonly unknown[]): Promise<QueryResult<Row>> =>
    db.executeQuery<Row>({ ...compiled, parameters })
}
