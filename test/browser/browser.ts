import { existsSync } from 'node:fs'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeEach, expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { executablePath, launch } from './browser-process.ts'

/** A browser for the tests of a file, which are skipped where there is none. */
export function inBrowser() {
  let browser: Promise<Browser> | undefined
  const isThere = existsSync(executablePath)
  const reason = `there is no browser at ${executablePath}: install chromium, or name one with CHROMIUM_PATH`
  if (!isThere) process.stderr.write(`The tests of the pages are skipped: ${reason}\n`)
  beforeEach(({ skip }) => skip(!isThere, reason))
  afterAll(async () => (await browser)?.close())

  return {
    /** A tab that fails the test where a page asks another origin for something, or meets an error. */
    async open(url: string, colorScheme: 'light' | 'dark' = 'light', viewport = { width: 1200, height: 800 }) {
      browser ??= launch()
      const context = await (await browser).newContext({ colorScheme, viewport })
      onTestFinished(() => context.close())
      const page = await context.newPage()
      const troubles: string[] = []
      page.on('request', (request) => {
        const to = new URL(request.url())
        if (to.protocol !== 'data:' && to.origin !== new URL(url).origin) troubles.push(`a request to ${to.origin}`)
      })
      // Violations of the Content-Security-Policy come here as well.
      page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()))
      page.on('pageerror', (error) => troubles.push(error.message))
      page.on('dialog', (dialog) => {
        troubles.push(`a dialog: ${dialog.message()}`)
        void dialog.dismiss()
      })
      await page.goto(url)
      return { page, troubles }
    },
  }
}

const violations = z.array(
  z.object({ id: z.string(), impact: z.string().nullable(), nodes: z.array(z.object({ html: z.string() })) }),
)

/** What axe finds that is serious or critical; nothing where all is well. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const found = violations.parse(await page.evaluate('axe.run(document).then(({ violations }) => violations)'))
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** Presses Tab until the element with this text has the focus. */
export async function tabTo(page: Page, text: string): Promise<void> {
  const seen: string[] = []
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab')
    const focused = z.string().parse(await page.evaluate('document.activeElement.textContent.trim()'))
    if (focused === text) return
    seen.push(focused)
  }
  expect.fail(`Tab does not lead to ${text}, but to ${seen.join(', ')}`)
}
