/** Debian's Chromium, where there is one. */
import { existsSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'

const CHROMIUM = '/usr/bin/chromium'
const ARGUMENTS =
  '--no-sandbox --disable-dev-shm-usage --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

/** `undefined` when there is no Chromium here. */
export async function launchChromium(): Promise<Browser | undefined> {
  if (!existsSync(CHROMIUM)) return undefined
  const { chromium } = await import('playwright-core')
  return await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS.split(' ') })
}

/** `undefined` when there is no Chromium here. */
export async function inChromium<T>(work: (page: Page) => Promise<T>): Promise<T | undefined> {
  const browser = await launchChromium()
  try {
    return browser && (await work(await browser.newPage()))
  } finally {
    await browser?.close()
  }
}
