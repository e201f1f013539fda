/** A Chromium that opens addresses and tells what scripts said meanwhile. */
import type { Browser, Page } from 'playwright-core'
import { launchChromium } from './b-chromium.ts'

const GOTO_MS = 5000
const MOST_TRIES = 3

export interface Heard {
  /** Of dialogs, of the console and of the witness; empty where nothing spoke. */
  words: string
  /** From opening the address to the first word. */
  afterMs: number
}

/** Opens `address` and listens until `settleMs` after it has been opened. */
export type Hear = (address: string, settleMs: number) => Promise<Heard>

const LOOK_MS = 5

/**
 * `calls` is whom scripts call, as far as they get out of the browser. A browser that dies is replaced, and its last visit
 * repeated. `undefined` when there is no Chromium here.
 */
export async function listening<T>(calls: string[], work: (hear: Hear) => Promise<T>): Promise<T | undefined> {
  let told = ''
  let browser: Browser | undefined
  let page: Page | undefined

  async function opened(): Promise<Page | undefined> {
    await browser?.close()
    browser = await launchChromium()
    const fresh = await browser?.newPage()
    fresh?.on('dialog', async (dialog) => {
      told += `dialog ${dialog.message()} `
      // Its page may have gone in the meantime, and the dialog with it.
      await dialog.dismiss().catch(() => {})
    })
    fresh?.on('console', (message) => {
      // Its very words: the browser's own complaints quote addresses, whose signatures may spell anything.
      if (message.text() === 'RAN') told += 'console '
    })
    return fresh
  }

  async function heard(on: Page, { address, settleMs }: { address: string; settleMs: number }): Promise<Heard> {
    // What is only saved leaves the page before it open, whose script may still have something to say.
    await on.goto('about:blank', { timeout: GOTO_MS })
    ;[told, calls.length] = ['', 0]
    const started = performance.now()
    let afterMs = Number.POSITIVE_INFINITY
    const looking = setInterval(() => {
      if (told !== '' || calls.length > 0) afterMs = Math.min(afterMs, performance.now() - started)
    }, LOOK_MS)
    try {
      // Being saved is an error to the one that asked.
      await on.goto(address, { timeout: GOTO_MS }).catch(() => {})
      await on.waitForTimeout(settleMs)
    } finally {
      clearInterval(looking)
    }
    return { words: `${told}${calls.join(' ')}`, afterMs }
  }

  async function hear(address: string, settleMs: number): Promise<Heard> {
    for (let tried = 1; ; tried++) {
      page ??= await opened()
      if (page === undefined) throw new Error('Chromium has gone')
      try {
        return await heard(page, { address, settleMs })
      } catch (error) {
        console.log(`Chromium died at ${new URL(address).pathname}: ${`${error}`.split('\n', 1)[0]}`)
        page = undefined
        if (tried === MOST_TRIES) throw error
      }
    }
  }

  try {
    page = await opened()
    return page && (await work(hear))
  } finally {
    await browser?.close()
  }
}
