import { writeFile } from 'node:fs/promises'
import { configurationPage } from '../packages/server/src/settings.ts'

await writeFile(new URL('configuration.md', import.meta.url), configurationPage())
