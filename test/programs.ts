/** Programs of the machine that it may lack. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export const run = promisify(execFile)

export async function exists(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  )
}
