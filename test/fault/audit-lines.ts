/** What the service itself wrote down of a read: evidence that does not hang on the buffers between it and a reader. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Used {
  /** ISO 8601. */
  at: string
  fileId: string
  status: number
  bytes?: number
  /** False where the connection ended first. */
  complete: boolean
}

/** All that was read of one attachment; a line takes up to 300 ms to be written, a server that has ended has written all. */
export async function usesOf(data: string, fileId: string): Promise<Used[]> {
  const lines = (await auditText(data)).split('\n').filter((line) => line.includes(`"${fileId}"`))
  return lines.map((line) => JSON.parse(line)).filter(({ act }) => act === 'use')
}

export async function auditText(data: string): Promise<string> {
  const directory = join(data, 'audit')
  const files = await readdir(directory)
  return (await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')))).join('\n')
}
