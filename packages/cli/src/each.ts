/** Works on `items`, several at once, and stops beginning new ones after a failure. */
export async function eachOf<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  let failed = false
  const worker = async () => {
    for (const item of queue) {
      if (failed) return
      try {
        await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(concurrency, items.length) }, worker))
  const refusal = ended.find((one) => one.status === 'rejected')
  if (refusal) throw refusal.reason
}
