import { run } from './run.ts'

const LETTING_GO_MILLISECONDS = 10_000

/** The process: the only file that reads the environment and ends it. */
async function main(): Promise<void> {
  const { argv, stdin, stdout, stderr } = process
  const stopping = new AbortController()
  const stop = () => {
    // What is under way is let go first; whoever asks twice wants it at once.
    if (stopping.signal.aborted) process.exit(130)
    stopping.abort(new Error('interrupted'))
    // For a file system that does not answer.
    setTimeout(() => process.exit(130), LETTING_GO_MILLISECONDS).unref()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  // The reader went away, such as `head`.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error) => {
      if (!('code' in error) || error.code !== 'EPIPE') throw error
      stopping.abort(error)
    })
  }
  process.exitCode = await run(argv.slice(2), { env: process.env, stdin, stdout, stderr, signal: stopping.signal })
}

await main()
